//! Bounded queues into the event loops, which wake their reader only when it sleeps.
//!
//! Invariant: whoever posts after the reader said that it sleeps, wakes it; whoever posted
//! before is seen by the reader's last look, which comes after it said so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, TrySendError};
use mio::Waker;

/// The writing end. Cheap to clone.
pub(crate) struct Post<T> {
    sender: Sender<T>,
    wake: Arc<Wake>,
}

impl<T> Clone for Post<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), wake: Arc::clone(&self.wake) }
    }
}

/// The reading end.
pub(crate) struct Inbox<T> {
    receiver: Receiver<T>,
    wake: Arc<Wake>,
}

struct Wake {
    asleep: AtomicBool,
    waker: Arc<Waker>,
}

impl Wake {
    fn wake(&self) {
        if self.asleep.swap(false, Ordering::SeqCst) {
            // A waker fails only when its poll is gone, and then nobody is to be woken.
            self.waker.wake().ok();
        }
    }
}

/// A queue of at most `capacity` letters for the loop that owns `waker`.
pub(crate) fn queue<T>(capacity: usize, waker: Arc<Waker>) -> (Post<T>, Inbox<T>) {
    let (sender, receiver) = crossbeam_channel::bounded(capacity);
    let wake = Arc::new(Wake { asleep: AtomicBool::new(false), waker });
    (Post { sender, wake: Arc::clone(&wake) }, Inbox { receiver, wake })
}

impl<T> Post<T> {
    /// Posts, or gives the letter back when the queue is full. A letter to a reader who is gone
    /// concerns nobody, and need not be kept.
    pub(crate) fn try_post(&self, letter: T) -> Result<(), T> {
        match self.sender.try_send(letter) {
            Ok(()) => self.wake.wake(),
            Err(TrySendError::Full(letter)) => return Err(letter),
            Err(TrySendError::Disconnected(_)) => {}
        }
        Ok(())
    }

    /// Posts, waiting for room. For threads that have nothing better to do.
    pub(crate) fn post(&self, letter: T) {
        // Fails only when the reader is gone: then the letter concerns nobody.
        if self.sender.send(letter).is_ok() {
            self.wake.wake();
        }
    }
}

impl<T> Inbox<T> {
    /// The next letter.
    pub(crate) fn take(&self) -> Option<T> {
        self.receiver.try_recv().ok()
    }

    /// Announces sleep; false if there is a letter to be read first.
    pub(crate) fn may_sleep(&self) -> bool {
        self.wake.asleep.store(true, Ordering::SeqCst);
        if self.receiver.is_empty() {
            return true;
        }
        self.wake.asleep.store(false, Ordering::SeqCst);
        false
    }

    /// The sleep is over.
    pub(crate) fn awake(&self) {
        self.wake.asleep.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use mio::{Poll, Token};

    use super::*;

    #[test]
    fn a_full_queue_gives_the_letter_back_and_a_reader_who_is_gone_gets_none() {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let (post, inbox) = queue(1, waker);
        assert_eq!(post.try_post(1), Ok(()));
        assert_eq!(post.try_post(2), Err(2), "it is to be tried again");
        assert_eq!(inbox.take(), Some(1));
        assert_eq!(post.try_post(2), Ok(()));
        drop(inbox);
        assert_eq!(post.try_post(3), Ok(()), "it is not kept for ever");
    }
}
