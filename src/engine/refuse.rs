//! Who waits for an answer, and what they are told when a batch fails.

use crate::gateway::port::{Asker, Effect, Input, NotCancelled, Refusal};

/// Those who wait for effects of a batch.
#[derive(Debug, Default)]
pub(super) struct Claims(Vec<(Asker, Claim)>);

#[derive(Clone, Copy, Debug)]
enum Claim {
    Submission(u32),
    Arrival(u32),
    Cancel,
    Change,
}

impl Claims {
    /// Remembers who waits for the outcome of an input.
    pub(super) fn note(&mut self, input: &Input) {
        match input {
            Input::Submit { from, submissions, .. } => {
                self.0.extend(submissions.iter().map(|s| (*from, Claim::Submission(s.reply))));
            }
            Input::Arrivals { link, arrivals, .. } => {
                self.0.extend(arrivals.iter().map(|a| (Asker::Link(*link), Claim::Arrival(a.reply))));
            }
            Input::Cancel { from, .. } => self.0.push((*from, Claim::Cancel)),
            Input::Block { from, .. } | Input::Replay { from, .. } => self.0.push((*from, Claim::Change)),
            _ => {}
        }
    }

    /// Tells all of them to come again.
    pub(super) fn refuse(self, out: &mut Vec<(Asker, Effect)>) {
        out.extend(self.0.into_iter().map(|(asker, claim)| {
            let effect = match claim {
                Claim::Submission(reply) => Effect::Refused { reply, refusal: Refusal::Disk },
                Claim::Arrival(reply) => Effect::Acknowledge { reply, stored: false },
                Claim::Cancel => Effect::Cancelled(Err(NotCancelled::Unavailable)),
                // Not done: who asked is told so by hearing of a refusal where a number is expected.
                Claim::Change => Effect::Refused { reply: 0, refusal: Refusal::Disk },
            };
            (asker, effect)
        }));
    }
}

/// Tells whoever waits for the outcome of one input to come again.
pub(super) fn refuse(input: &Input, out: &mut Vec<(Asker, Effect)>) {
    let mut claims = Claims::default();
    claims.note(input);
    claims.refuse(out);
}
