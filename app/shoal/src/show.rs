//! `shoal show`: what a torrent file says.

use base::UnixTime;
use serde_json::{Value, json};
use wire::metainfo::{File, Metainfo};
use wire::printable;

use crate::args::ShowArgs;
use crate::failure::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::out::Out;
use crate::{load, node_setup, redact, units};

/// Runs `shoal show`.
pub(crate) fn show(args: &ShowArgs, out: &Out) -> Result<Exit, Failure> {
    let interrupt = Interrupt::listen()?;
    let mut metainfo = node_setup::load_one(&load::source(&args.torrent)?, &interrupt)?;
    if metainfo.info.private && !args.secrets {
        hide_secrets(&mut metainfo);
    }
    if out.json() {
        out.event(&as_json(&metainfo))?;
        return Ok(Exit::Done);
    }
    for (label, value) in facts(&metainfo) {
        out.data(&format!("{label:<10} {value}"))?;
    }
    out.data("")?;
    for file in metainfo.info.files.iter().filter(|file| !file.padding) {
        out.data(&file_line(file))?;
    }
    Ok(Exit::Done)
}

/// What is shown is also pasted into questions on forums.
fn hide_secrets(metainfo: &mut Metainfo) {
    let urls = metainfo.trackers.iter_mut().flatten().chain(&mut metainfo.url_list);
    urls.for_each(|url| *url = redact::tracker(url));
}

fn file_line(file: &File) -> String {
    let size = units::size(file.length_bytes);
    let mut line = format!("{size:>10}  {}", file.display_path());
    if let Some(target) = &file.symlink {
        let target = printable(target.to_string_lossy().as_bytes(), 2000);
        line = format!("{:>10}  {} -> {target}", "link", file.display_path());
    }
    if file.executable {
        line.push_str("  (executable)");
    }
    if file.hidden {
        line.push_str("  (hidden)");
    }
    line
}

fn facts(metainfo: &Metainfo) -> Vec<(&'static str, String)> {
    let info = &metainfo.info;
    let padding = info.files.iter().filter(|file| file.padding).count();
    let files = (info.files.len() - padding) as u64;
    let mut facts = vec![
        ("name", info.name.clone()),
        ("info-hash", metainfo.info_hash.to_string()),
        ("size", format!("{} ({} bytes)", units::size(info.total_bytes), info.total_bytes)),
        ("pieces", format!("{} of {}", info.piece_count(), units::size(info.piece_bytes.into()))),
        (
            "files",
            match padding {
                0 => files.to_string(),
                _ => format!("{files}, and {padding} for padding"),
            },
        ),
        ("private", if info.private { "yes" } else { "no" }.into()),
    ];
    let mut add = |label, value: Option<String>| facts.extend(value.map(|value| (label, value)));
    add("source", info.source.clone());
    add("comment", metainfo.comment.clone());
    add("created", metainfo.creation_date.map(date));
    add("created by", metainfo.created_by.clone());
    for (tier, urls) in metainfo.trackers.iter().enumerate() {
        let label = if tier == 0 { "trackers" } else { "" };
        for (index, url) in urls.iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            let tier =
                if metainfo.trackers.len() > 1 { format!("{}: ", tier + 1) } else { String::new() };
            add(label, Some(tier + &printable(url.as_bytes(), 4096)));
        }
    }
    for (index, url) in metainfo.url_list.iter().enumerate() {
        add(if index == 0 { "web seeds" } else { "" }, Some(printable(url.as_bytes(), 4096)));
    }
    facts
}

fn as_json(metainfo: &Metainfo) -> Value {
    let info = &metainfo.info;
    let files = info.files.iter().map(|file| {
        json!({
            "path": file.display_path(),
            "length_bytes": file.length_bytes,
            "padding": file.padding,
            "executable": file.executable,
            "hidden": file.hidden,
            "symlink": file.symlink.as_ref().map(|path| path.to_string_lossy()),
        })
    });
    json!({
        "name": info.name,
        "info_hash": metainfo.info_hash.to_string(),
        "total_bytes": info.total_bytes,
        "piece_bytes": info.piece_bytes,
        "pieces": info.piece_count(),
        "single_file": info.single_file,
        "private": info.private,
        "source": info.source,
        "comment": metainfo.comment,
        "created_by": metainfo.created_by,
        "creation_date": metainfo.creation_date.map(|date| date.0),
        "encoding": metainfo.encoding,
        "trackers": metainfo.trackers,
        "web_seeds": metainfo.url_list,
        "files": files.collect::<Vec<_>>(),
    })
}

/// `2024-02-29 12:30:05 UTC`. Source: Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", `civil_from_days`.
fn date(time: UnixTime) -> String {
    let (days, second) = (time.0.div_euclid(86400), time.0.rem_euclid(86400));
    // Whoever writes a year of more than four digits means nothing by it.
    if !(-719_468..2_932_897).contains(&days) {
        return format!("{} seconds after 1970", time.0);
    }
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_827_696, "2000-02-29 12:34:56 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (-1, "1969-12-31 23:59:59 UTC"),
            (i64::MAX, "9223372036854775807 seconds after 1970"),
        ] {
            assert_eq!(date(UnixTime(seconds)), expected);
        }
    }
}
