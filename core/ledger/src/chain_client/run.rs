//! One probe at one or several nodes, and what is made of their words.
//!
//! Invariant: an endpoint has one voice in a round.

use std::collections::BTreeMap;

use base::Instant;

use super::endpoint::{Endpoint, Standing};
use super::fault::{ClientError, Fault, Said};
use super::probe::{Agreed, Fact, Probe, Spread, describe};
use super::query::{Block, Echoed, Word};
use super::{Notice, ROUNDS_MAX, VOICES_MAX};

/// What an endpoint said in this round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    /// It is asked, or will be once it is known to be of our chain.
    Waiting,
    Said(Fact),
    Failed(Fault),
}

#[derive(Debug)]
pub(super) struct Run {
    pub(super) probe: Probe,
    pub(super) round: u32,
    pub(super) voices: BTreeMap<usize, Voice>,
}

pub(super) enum Verdict {
    /// Somebody has not answered yet.
    Wait,
    /// Another round, later.
    Again,
    Agreed(Box<Agreed>, Vec<Notice>),
    Failed(ClientError),
}

impl Run {
    pub(super) fn new(probe: Probe) -> Self {
        Self { probe, round: 0, voices: BTreeMap::new() }
    }

    pub(super) fn begin_round(&mut self) {
        self.round = self.round.saturating_add(1);
        self.voices.clear();
    }

    /// The next endpoint to ask in this round, in order of preference; those that rest come last.
    pub(super) fn next_endpoint(&self, endpoints: &[Endpoint], now: Instant) -> Option<usize> {
        let open = self.voices.values().filter(|voice| !matches!(voice, Voice::Failed(_))).count();
        let wanted = match self.probe.spread {
            Spread::One => 1,
            Spread::Agree | Spread::Reached => VOICES_MAX,
            Spread::All => usize::MAX,
        };
        if open >= wanted {
            return None;
        }
        let left = || {
            let unasked = |(index, endpoint): &(usize, &Endpoint)| {
                !endpoint.is_wrong() && !self.voices.contains_key(index)
            };
            endpoints.iter().enumerate().filter(unasked)
        };
        let rested = left().find(|(_, endpoint)| !endpoint.is_resting(now));
        let must = match self.probe.spread {
            Spread::One => 1,
            Spread::Agree | Spread::Reached => Self::needed(endpoints),
            Spread::All => usize::MAX,
        };
        // Who does not answer these days is waited for only if there is nobody else.
        let tired = || left().next().filter(|_| open < must);
        rested.or_else(tired).map(|(index, _)| index)
    }

    pub(super) fn weigh(&self, endpoints: &[Endpoint]) -> Verdict {
        if self.voices.values().any(|voice| *voice == Voice::Waiting) {
            return Verdict::Wait;
        }
        match self.probe.spread {
            Spread::One => self.weigh_first(endpoints),
            Spread::Reached => self.weigh_reached(endpoints),
            Spread::Agree => self.weigh_agreement(endpoints),
            Spread::All => self.collect(endpoints),
        }
    }

    fn said(&self) -> impl Iterator<Item = (usize, &Fact)> {
        self.voices.iter().filter_map(|(index, voice)| match voice {
            Voice::Said(fact) => Some((*index, fact)),
            Voice::Waiting | Voice::Failed(_) => None,
        })
    }

    /// What the endpoints that said nothing did instead, wrong ones included.
    fn faults(&self, endpoints: &[Endpoint]) -> Vec<Said<Fault>> {
        let fault_of = |(index, endpoint): (usize, &Endpoint)| {
            let fault = match (self.voices.get(&index), &endpoint.standing) {
                (Some(Voice::Failed(fault)), _) | (None, Standing::Wrong(fault)) => fault.clone(),
                _ => return None,
            };
            Some(Said { endpoint: endpoint.url.clone(), what: fault })
        };
        endpoints.iter().enumerate().filter_map(fault_of).collect()
    }

    fn is_last_round(&self) -> bool {
        self.round.saturating_add(1) >= ROUNDS_MAX
    }

    fn again_or(&self, error: ClientError) -> Verdict {
        if self.is_last_round() { Verdict::Failed(error) } else { Verdict::Again }
    }

    /// Nobody gave an answer: a refusal is final, silence is not.
    fn without_answer(&self, endpoints: &[Endpoint]) -> Verdict {
        let faults = self.faults(endpoints);
        let refusal = faults.iter().find_map(|said| {
            let words = said.what.refusal()?.to_owned();
            Some(Said { endpoint: said.endpoint.clone(), what: words })
        });
        if let Some(refusal) = refusal {
            return Verdict::Failed(ClientError::Refused(refusal));
        }
        if endpoints.iter().all(Endpoint::is_wrong) {
            return Verdict::Failed(ClientError::Unreachable(faults));
        }
        self.again_or(ClientError::Unreachable(faults))
    }

    fn weigh_first(&self, endpoints: &[Endpoint]) -> Verdict {
        match self.said().next() {
            Some((_, fact)) => Verdict::Agreed(
                Box::new(Agreed { fact: fact.clone(), voices: 1, dissent: 0 }),
                Vec::new(),
            ),
            None => self.without_answer(endpoints),
        }
    }

    /// Voices that must agree: two, where the network has two. Endpoints that turned out wrong
    /// count as well: a liar that was caught does not make the one that is left believable.
    fn needed(endpoints: &[Endpoint]) -> usize {
        endpoints.len().min(2)
    }

    fn too_few(&self, answered: usize, endpoints: &[Endpoint]) -> Verdict {
        let needed = Self::needed(endpoints);
        let faults = self.faults(endpoints);
        self.again_or(ClientError::TooFew { what: self.probe.what, answered, needed, faults })
    }

    fn weigh_reached(&self, endpoints: &[Endpoint]) -> Verdict {
        let answered = self.said().count();
        if answered == 0 {
            return self.without_answer(endpoints);
        }
        if answered < Self::needed(endpoints) {
            return self.too_few(answered, endpoints);
        }
        let mut blocks: Vec<Block> = self.said().filter_map(|(_, fact)| fact.block()).collect();
        blocks.sort_by_key(|block| core::cmp::Reverse(block.number));
        match blocks.get(Self::needed(endpoints).saturating_sub(1)) {
            Some(block) => {
                let voices = u32::try_from(answered).unwrap_or(u32::MAX);
                let agreed = Agreed { fact: Fact::Block(Some(*block)), voices, dissent: 0 };
                Verdict::Agreed(Box::new(agreed), Vec::new())
            }
            None => self.too_few(blocks.len(), endpoints),
        }
    }

    fn weigh_agreement(&self, endpoints: &[Endpoint]) -> Verdict {
        let said: Vec<(usize, &Fact)> = self.said().collect();
        if said.is_empty() {
            return self.without_answer(endpoints);
        }
        if said.len() < Self::needed(endpoints) {
            return self.too_few(said.len(), endpoints);
        }
        let voices_for = |fact: &Fact| said.iter().filter(|(_, other)| other.agrees(fact)).count();
        let believed = said.iter().find(|(_, fact)| 2 * voices_for(fact) > said.len());
        if let Some((_, fact)) = believed {
            let voices = voices_for(fact);
            let is_new_dissent = said.iter().any(|(index, other)| {
                !other.agrees(fact) && !endpoints.get(*index).is_some_and(|known| known.is_doubted)
            });
            // It may be a block behind, and say the same in a moment.
            if is_new_dissent && self.round == 0 {
                return Verdict::Again;
            }
            if voices >= Self::needed(endpoints) {
                let agreed = Agreed {
                    fact: (*fact).clone(),
                    voices: u32::try_from(voices).unwrap_or(u32::MAX),
                    dissent: u32::try_from(said.len() - voices).unwrap_or(u32::MAX),
                };
                return self.agreed(agreed, &said, endpoints);
            }
        }
        let word = |index: usize, fact: &Fact| Said {
            endpoint: endpoints.get(index).map(|known| known.url.clone()).unwrap_or_default(),
            what: describe(fact),
        };
        let mut distinct = said.iter();
        let one = distinct.next();
        let other = one.and_then(|(_, fact)| distinct.find(|(_, other)| !other.agrees(fact)));
        match (one, other) {
            (Some((i, one)), Some((j, other))) => self.again_or(ClientError::Disagree {
                what: self.probe.what,
                one: Box::new(word(*i, one)),
                other: Box::new(word(*j, other)),
            }),
            _ => self.too_few(said.len(), endpoints),
        }
    }

    /// Those in the minority are named, once it is clear that they are not merely a block apart.
    fn agreed(&self, agreed: Agreed, said: &[(usize, &Fact)], endpoints: &[Endpoint]) -> Verdict {
        let outvoted: Vec<Notice> = said
            .iter()
            .filter(|(_, fact)| !fact.agrees(&agreed.fact))
            .map(|(index, fact)| Notice::Outvoted {
                what: self.probe.what,
                believed: describe(&agreed.fact),
                said: Said {
                    endpoint: endpoints.get(*index).map(|e| e.url.clone()).unwrap_or_default(),
                    what: describe(fact),
                },
            })
            .collect();
        Verdict::Agreed(Box::new(agreed), outvoted)
    }

    fn collect(&self, endpoints: &[Endpoint]) -> Verdict {
        let word_of = |(index, voice): (&usize, &Voice)| {
            let word = match voice {
                Voice::Said(Fact::Word(word)) => word.clone(),
                Voice::Failed(fault) => Word::NotNow(fault.to_string()),
                Voice::Said(_) | Voice::Waiting => return None,
            };
            Some(Echoed { endpoint: endpoints.get(*index)?.url.clone(), word })
        };
        let words: Vec<Echoed> = self.voices.iter().filter_map(word_of).collect();
        if words.is_empty() {
            return self.without_answer(endpoints);
        }
        let voices = u32::try_from(words.len()).unwrap_or(u32::MAX);
        Verdict::Agreed(
            Box::new(Agreed { fact: Fact::Words(words), voices, dissent: 0 }),
            Vec::new(),
        )
    }
}
