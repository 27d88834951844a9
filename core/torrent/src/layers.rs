//! The piece layers of a torrent whose `info` came from peers: what its files' pieces hash to, proven part by part.
//!
//! Source: BEP 52 ("hash request"). `info` has the root of each file's tree; a file longer than a piece also
//! needs its piece layer, which is in torrent files but not in `info`. Each part is asked for with the
//! uncles that lead up to the root, so that who sends it can't lie.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use base::{ConnId, Instant};
use keys::Digest32;
use keys::merkle::{LEAF_BYTES, ProofRequest, height, leaf_count};
use wire::metainfo::Info;
use wire::peer::HashRequest;

/// Nodes asked for at once: 16 KiB, as much as a block.
const PART_NODES_MAX: u32 = 512;

/// Requests open at one peer.
const OPEN_MAX: usize = 8;

/// An answer that has not come after this is asked of others.
const ANSWER_MAX: Duration = Duration::from_secs(8);

/// Who would not or did not answer is left alone for so long: else two such peers would be asked in turn for ever.
const REST: Duration = Duration::from_secs(15);

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Layers {
    /// By root: the nodes of the piece layer that came, and how many are to come.
    files: BTreeMap<Digest32, File>,
    waiting: VecDeque<HashRequest>,
    open: Vec<(ConnId, HashRequest, Instant)>,
    /// Who rejected a request or was silent is asked again then.
    resting: BTreeMap<ConnId, Instant>,
}

#[derive(Debug)]
struct File {
    nodes: Vec<Digest32>,
    lacking: u32,
}

impl Layers {
    /// What `info`, of version 2 or both, lacks. `None` if that is nothing.
    pub fn of(info: &Info) -> Option<Self> {
        let mut layers = Self {
            files: BTreeMap::new(),
            waiting: VecDeque::new(),
            open: Vec::new(),
            resting: BTreeMap::new(),
        };
        let base_layer = height(u64::from(info.piece_bytes / LEAF_BYTES));
        for file in &info.files {
            let pieces = file.length_bytes.div_ceil(u64::from(info.piece_bytes));
            let Some(pieces_root) = file.pieces_root.filter(|_| pieces > 1) else { continue };
            let pieces = u32::try_from(pieces).expect("the decoder bounds the number of pieces");
            let length = pieces.next_power_of_two().min(PART_NODES_MAX);
            let to_root = height(leaf_count(file.length_bytes)) - base_layer;
            // A part that is the whole layer needs no uncles.
            let proof_layers = if to_root > length.ilog2() { to_root - 1 } else { 0 };
            if layers.files.contains_key(&pieces_root) {
                // Another file with the same content; if it is of another length, the decoder says so later.
                continue;
            }
            let nodes = vec![[0; 32]; pieces as usize];
            let parts = (0..pieces).step_by(length as usize);
            let lacking = u32::try_from(parts.len()).expect("fewer than the pieces");
            layers.files.insert(pieces_root, File { nodes, lacking });
            let request =
                |index| HashRequest { pieces_root, base_layer, index, length, proof_layers };
            layers.waiting.extend(parts.map(request));
        }
        (!layers.files.is_empty()).then_some(layers)
    }

    /// What to ask of a peer now.
    pub fn ask(&mut self, conn: ConnId, now: Instant) -> Vec<HashRequest> {
        if self.resting.get(&conn).is_some_and(|until| *until > now) {
            return Vec::new();
        }
        let open = self.open.iter().filter(|(other, ..)| *other == conn).count();
        let count = OPEN_MAX.saturating_sub(open).min(self.waiting.len());
        let requests: Vec<HashRequest> = self.waiting.drain(..count).collect();
        self.open.extend(requests.iter().map(|&request| (conn, request, now)));
        requests
    }

    /// An answer came. False if it is wrong.
    pub fn on_hashes(&mut self, conn: ConnId, request: &HashRequest, hashes: &[Digest32]) -> bool {
        let Some(at) = self.open.iter().position(|(to, asked, _)| (to, asked) == (&conn, request))
        else {
            return true;
        };
        let HashRequest { base_layer, index, length, proof_layers, .. } = *request;
        let proof = ProofRequest { base_layer, index, length, proof_layers };
        self.open.swap_remove(at);
        if !proof.is_proven_by(hashes, &request.pieces_root) {
            self.waiting.push_front(*request);
            return false;
        }
        let file = self.files.get_mut(&request.pieces_root).expect("asked for a file of ours");
        let places = file.nodes.iter_mut().skip(index as usize);
        places.zip(&hashes[..length as usize]).for_each(|(place, node)| *place = *node);
        file.lacking -= 1;
        true
    }

    /// A peer will not give an answer: it is not asked for a while.
    pub fn on_reject(&mut self, conn: ConnId, request: &HashRequest, now: Instant) {
        if self.open.iter().any(|(to, asked, _)| (to, asked) == (&conn, request)) {
            self.resting.insert(conn, now.after(REST));
            self.give_back(conn);
        }
    }

    /// A peer is gone.
    pub fn on_gone(&mut self, conn: ConnId) {
        self.resting.remove(&conn);
        self.give_back(conn);
    }

    /// What a peer was asked for is asked of others.
    fn give_back(&mut self, conn: ConnId) {
        let is_over = |(to, ..): &(ConnId, HashRequest, Instant)| *to == conn;
        let (over, open) = self.open.drain(..).partition(is_over);
        self.open = open;
        let over: Vec<_> = over;
        self.waiting.extend(over.into_iter().map(|(_, request, _)| request));
    }

    /// Once a second: who does not answer is not waited for.
    pub fn tick(&mut self, now: Instant) {
        let late = |at: Instant| now.saturating_since(at) > ANSWER_MAX;
        let silent = self.open.iter().filter(|(.., at)| late(*at)).map(|&(conn, ..)| conn);
        for conn in silent.collect::<Vec<ConnId>>() {
            self.resting.insert(conn, now.after(REST));
            self.give_back(conn);
        }
    }

    /// The layers by root, if all came: 32 bytes a piece.
    pub fn whole(&self) -> Option<BTreeMap<Digest32, Vec<u8>>> {
        let done = self.files.values().all(|file| file.lacking == 0);
        let layers =
            self.files.iter().map(|(root, file)| (*root, file.nodes.as_flattened().to_vec()));
        done.then(|| layers.collect())
    }
}

#[cfg(test)]
mod tests {
    use keys::merkle::{FileTree, Forest};

    use super::*;

    const NOW: Instant = Instant::START;
    const PIECE: u32 = 2 * LEAF_BYTES;

    /// A torrent with files of so many pieces, their layers different from each other.
    fn torrent(pieces: &[u32]) -> (Info, Forest) {
        let tree = |(file, &pieces): (usize, &u32)| {
            let node =
                |piece| keys::sha256(&[&file.to_be_bytes()[..], &u32::to_be_bytes(piece)].concat());
            let length = u64::from(pieces) * u64::from(PIECE) - 5;
            FileTree::new(length, PIECE, (0..pieces).map(node).collect()).unwrap()
        };
        let trees: Vec<FileTree> = pieces.iter().enumerate().map(tree).collect();
        let file = |tree: &FileTree| wire::metainfo::File {
            length_bytes: tree.length_bytes(),
            pieces_root: Some(tree.root()),
            ..wire::metainfo::File::default()
        };
        let info = Info {
            name: "t".into(),
            piece_bytes: PIECE,
            pieces: None,
            private: false,
            source: None,
            files: trees.iter().map(file).collect(),
            single_file: false,
            total_bytes: 1,
        };
        (info, Forest::new(trees))
    }

    fn answer(forest: &Forest, request: &HashRequest) -> Vec<Digest32> {
        let HashRequest { base_layer, index, length, proof_layers, .. } = *request;
        let proof = ProofRequest { base_layer, index, length, proof_layers };
        let (_, tree) = forest.of_root(&request.pieces_root).next().unwrap();
        tree.prove(&proof, &[]).unwrap()
    }

    #[test]
    fn layers_of_all_sizes_come_whole_and_right() {
        for pieces in [&[2][..], &[1, 3, 1, 700], &[512], &[513], &[4, 1500, 5]] {
            let (info, forest) = torrent(pieces);
            let mut layers = Layers::of(&info).unwrap();
            let mut rounds = 0;
            while layers.whole().is_none() {
                for request in layers.ask(ConnId(1), NOW) {
                    assert!(layers.on_hashes(ConnId(1), &request, &answer(&forest, &request)));
                }
                rounds += 1;
                assert!(rounds < 10);
            }
            for (root, layer) in layers.whole().unwrap() {
                let (_, tree) = forest.of_root(&root).next().unwrap();
                let (nodes, _) = layer.as_chunks();
                assert_eq!(
                    FileTree::new(tree.length_bytes(), PIECE, nodes.to_vec()).as_ref(),
                    Some(tree),
                    "{pieces:?}"
                );
            }
        }
        assert!(Layers::of(&torrent(&[1, 1]).0).is_none(), "no file is longer than a piece");
    }

    /// Its author claims that a file of two pieces has the tree of one of 1100.
    #[test]
    fn files_of_one_root_and_different_lengths_end_no_process() {
        let (mut info, forest) = torrent(&[1100, 3]);
        let liar =
            wire::metainfo::File { length_bytes: 2 * u64::from(PIECE), ..info.files[0].clone() };
        info.files.push(liar);
        let mut layers = Layers::of(&info).unwrap();
        while layers.whole().is_none() {
            for request in layers.ask(ConnId(1), NOW) {
                assert!(layers.on_hashes(ConnId(1), &request, &answer(&forest, &request)));
            }
        }
    }

    #[test]
    fn a_wrong_answer_is_noticed_and_asked_of_another() {
        let (info, forest) = torrent(&[700]);
        let mut layers = Layers::of(&info).unwrap();
        let requests = layers.ask(ConnId(1), NOW);
        assert_eq!(requests.len(), 2);
        let mut wrong = answer(&forest, &requests[0]);
        wrong[3][0] ^= 1;
        assert!(!layers.on_hashes(ConnId(1), &requests[0], &wrong));
        assert!(layers.on_hashes(ConnId(2), &requests[1], &[]), "nobody asked it");
        layers.on_gone(ConnId(1));
        let again = layers.ask(ConnId(2), NOW);
        assert_eq!(again.len(), 2);
        for request in again {
            assert!(layers.on_hashes(ConnId(2), &request, &answer(&forest, &request)));
        }
        assert!(layers.whole().is_some());
    }

    #[test]
    fn who_is_silent_or_rejects_is_not_waited_for() {
        let (info, _) = torrent(&[2]);
        let mut layers = Layers::of(&info).unwrap();
        let [request] = layers.ask(ConnId(1), NOW)[..] else { panic!("one part") };
        assert!(layers.ask(ConnId(2), NOW).is_empty());
        layers.on_reject(ConnId(1), &request, NOW);
        assert!(layers.ask(ConnId(1), NOW).is_empty(), "not the same one again");
        assert_eq!(layers.ask(ConnId(2), NOW), [request]);
        layers.tick(NOW.after(ANSWER_MAX));
        assert!(layers.ask(ConnId(3), NOW.after(ANSWER_MAX)).is_empty());
        let later = NOW.after(ANSWER_MAX + Duration::from_secs(1));
        layers.tick(later);
        assert!(layers.ask(ConnId(2), later).is_empty());
        assert_eq!(layers.ask(ConnId(3), later), [request]);
        layers.on_reject(ConnId(3), &request, later);
        assert_eq!(layers.ask(ConnId(1), NOW.after(REST)), [request]);
    }
}
