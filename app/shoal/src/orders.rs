//! What the user wants of every torrent of a command, and a torrent as he wants it.

use std::path::PathBuf;

use disk::DiskPool;
use node::peer_source::{Source, may_name_peers};
use node::spec::{SeedGoal, TorrentSpec};
use wire::metainfo::Metainfo;

use crate::args::{FilesArgs, NetworkArgs, SuperSeed};
use crate::failure::Failure;
use crate::out::Out;
use crate::place;
use crate::select::{self, Expression, choosable};

/// What is wanted of every torrent.
#[derive(Debug)]
pub(crate) struct Orders<'a> {
    /// The folder below which files lie, absolute.
    pub(crate) root: PathBuf,
    /// When a complete torrent stops.
    pub(crate) goal: SeedGoal,
    /// How files are made; `None`: not at all.
    pub(crate) files: Option<&'a FilesArgs>,
    /// When a seed shows its pieces one by one.
    pub(crate) super_seed: SuperSeed,
    /// How to get at peers.
    pub(crate) network: &'a NetworkArgs,
}

impl Orders<'_> {
    /// A torrent, with all of its files.
    ///
    /// # Errors
    /// The user named peers where that would cost him his account.
    pub(crate) fn spec(&self, metainfo: &Metainfo) -> Result<TorrentSpec, Failure> {
        let mut spec = TorrentSpec::new(metainfo, self.root.clone());
        spec.peers.clone_from(&self.network.discovery.peer);
        spec.writable = self.files.is_some();
        spec.reserve = self.files.is_some_and(|files| files.preallocate);
        spec.sequential = self.files.is_some_and(|files| files.sequential);
        spec.super_seed = self.super_seed.or(spec.super_seed);
        spec.recheck = self.network.recheck;
        spec.goal = self.goal;
        let discovery = &self.network.discovery;
        let announced = !discovery.no_discovery && !discovery.no_trackers;
        if spec.peers.is_empty() || may_name_peers(Source::User, spec.private, announced) {
            return Ok(spec);
        }
        let name = wire::printable(spec.name.as_bytes(), 200);
        Err(Failure::with_hint(
            format!("a private torrent takes peers from its tracker only, not from --peer: {name}"),
            "with --no-discovery too, --peer works and no tracker hears of it",
        ))
    }

    /// Marks what `--select` chooses. Of several torrents, those of which nothing is chosen go.
    ///
    /// # Errors
    /// An expression is for nothing, or nothing is left.
    pub(crate) fn choose(&self, specs: &mut Vec<TorrentSpec>, out: &Out) -> Result<(), Failure> {
        let chosen = self.files.map(|files| &*files.select).unwrap_or_default();
        choose(specs, chosen, out)
    }

    /// What a magnet link stood for, with a place. `linked` are files that the link selects (BEP 53), by index;
    /// what the user says counts more.
    ///
    /// # Errors
    /// As for [`Self::spec`] and [`Self::choose`], or there is no place for it.
    pub(crate) fn spec_of_magnet(
        &self,
        metainfo: &Metainfo,
        linked: &[(u32, u32)],
        pool: &DiskPool,
        out: &Out,
    ) -> Result<TorrentSpec, Failure> {
        let mut specs = vec![self.spec(metainfo)?];
        let said = self.files.is_some_and(|files| !files.select.is_empty());
        match said || linked.is_empty() {
            true => self.choose(&mut specs, out)?,
            false => specs.iter_mut().for_each(|spec| choose_linked(spec, linked)),
        }
        let mut spec = specs.pop().expect("one torrent is chosen from or refused");
        self.settle(&mut spec, pool, out)?;
        Ok(spec)
    }

    /// Gives a torrent its place.
    ///
    /// # Errors
    /// Something is there that must not be.
    pub(crate) fn settle(
        &self,
        spec: &mut TorrentSpec,
        pool: &DiskPool,
        out: &Out,
    ) -> Result<(), Failure> {
        let on_collision = self.files.map(|files| files.on_collision).unwrap_or_default();
        place::settle(spec, on_collision, pool, out)
    }
}

/// Only the files that a link names; all, if it names none that there are.
fn choose_linked(spec: &mut TorrentSpec, linked: &[(u32, u32)]) {
    let is_linked = |at: u32| linked.iter().any(|&(first, last)| (first..=last).contains(&at));
    let wanted: std::collections::BTreeSet<usize> = choosable(&spec.files)
        .filter(|file| is_linked(file.0))
        .map(|file| file.0 as usize)
        .collect();
    if !wanted.is_empty() {
        for (at, file) in spec.files.iter_mut().enumerate().filter(|(_, file)| !file.padding) {
            file.wanted = wanted.contains(&at);
        }
    }
}

fn choose(
    specs: &mut Vec<TorrentSpec>,
    expressions: &[Expression],
    out: &Out,
) -> Result<(), Failure> {
    if expressions.is_empty() {
        return Ok(());
    }
    if specs.len() > 1 && expressions.iter().any(Expression::is_number) {
        return Err(Failure::with_hint(
            format!("--select by number is for one torrent, not for {}", specs.len()),
            "take a pattern as in '*.mkv', or one torrent at a time",
        ));
    }
    let mut matched = vec![false; expressions.len()];
    for spec in specs.iter_mut() {
        let here = select::choose(&mut spec.files, expressions);
        matched.iter_mut().zip(here).for_each(|(matched, here)| *matched |= here);
    }
    if let Some((expression, _)) = expressions.iter().zip(matched).find(|(_, matched)| !matched) {
        let files: Vec<_> = specs.iter().flat_map(|spec| spec.files.clone()).collect();
        return Err(select::nothing_for(expression, &files));
    }
    let before = specs.len();
    let chosen = |spec: &TorrentSpec| choosable(&spec.files).any(|at| spec.is_wanted(at));
    for spec in specs.iter().filter(|spec| before > 1 && !chosen(spec)) {
        let name = wire::printable(spec.name.as_bytes(), 200);
        out.warn(&format!("left out, none of its files is selected: {name}"));
    }
    specs.retain(chosen);
    if specs.is_empty() {
        return Err(Failure::with_hint(
            "--select leaves no file",
            "expressions count in their order: one with ! takes out what is in before it",
        ));
    }
    Ok(())
}
