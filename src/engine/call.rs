//! Callers inside the process that wait for what the engine decides.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{Engine, Stopped, lock};
use crate::gateway::id::{MessageId, Outlet, ServiceNo};
use crate::gateway::port::{Asker, Effect, Input, NotCancelled, Refusal, Submission, Taken};
use crate::gateway::settings::Settings;

/// A caller, and the answers that have come for it.
#[derive(Debug)]
pub(super) struct Call {
    answers: Vec<(u32, Answered)>,
    wanted: usize,
    waiting: oneshot::Sender<Vec<(u32, Answered)>>,
}

/// What the engine decided.
#[derive(Debug)]
pub(super) enum Answered {
    Taken(u32, Taken),
    Refused(u32, Refusal),
    Cancelled(Result<(), NotCancelled>),
    Done(u64),
}

impl Answered {
    /// What a caller is told; `None`: an effect that is nobody's answer.
    pub(super) fn of(effect: Effect) -> Option<Self> {
        match effect {
            Effect::Accepted { reply, id, repeated } => Some(Self::Taken(reply, Taken { id, repeated })),
            Effect::Refused { reply, refusal } => Some(Self::Refused(reply, refusal)),
            Effect::Cancelled(result) => Some(Self::Cancelled(result)),
            Effect::Done(changed) => Some(Self::Done(changed)),
            Effect::Dispatch(_)
            | Effect::Acknowledge { .. }
            | Effect::Deliver(_)
            | Effect::Inquire { .. }
            | Effect::Unbind => None,
        }
    }

    fn reply(&self) -> u32 {
        match self {
            Self::Taken(reply, _) | Self::Refused(reply, _) => *reply,
            Self::Cancelled(_) | Self::Done(_) => 0,
        }
    }
}

impl Call {
    /// Takes an answer; says whether it was the last one.
    pub(super) fn answered(&mut self, answer: Option<Answered>) -> bool {
        if let Some(answer) = answer {
            self.answers.push((answer.reply(), answer));
        }
        self.answers.len() >= self.wanted
    }

    /// Tells the caller. It may have gone.
    pub(super) fn finish(self) {
        let _ = self.waiting.send(self.answers);
    }
}

impl Engine {
    /// Submits one message and resolves when it is on disk. Dropping the future does not take the message back.
    ///
    /// # Errors
    /// Why it was not accepted; [`Refusal::Unavailable`] when the engine stops.
    pub async fn submit(&self, service: ServiceNo, submission: Submission) -> Result<Taken, Refusal> {
        let submissions = vec![Submission { reply: 0, ..submission }];
        let answers = self.call(1, |from| Input::Submit { from, service, submissions }).await;
        match answers.into_iter().flatten().next() {
            Some((_, Answered::Taken(_, taken))) => Ok(taken),
            Some((_, Answered::Refused(_, refusal))) => Err(refusal),
            _ => Err(Refusal::Unavailable),
        }
    }

    /// Submits several messages and resolves when all that were accepted are on disk; the results are in their order.
    pub async fn submit_all(
        &self,
        service: ServiceNo,
        mut submissions: Vec<Submission>,
    ) -> Vec<Result<Taken, Refusal>> {
        let mut results = vec![Err(Refusal::Unavailable); submissions.len()];
        if submissions.is_empty() {
            return results;
        }
        for (reply, submission) in (0..).zip(&mut submissions) {
            submission.reply = reply;
        }
        let wanted = submissions.len();
        let answers = self.call(wanted, |from| Input::Submit { from, service, submissions }).await;
        for (reply, answer) in answers.into_iter().flatten() {
            let result = match answer {
                Answered::Taken(_, taken) => Ok(taken),
                Answered::Refused(_, refusal) => Err(refusal),
                Answered::Cancelled(_) | Answered::Done(_) => continue,
            };
            if let Some(place) = usize::try_from(reply).ok().and_then(|at| results.get_mut(at)) {
                *place = result;
            }
        }
        results
    }

    /// Takes back a message that has not left.
    ///
    /// # Errors
    /// Why not.
    pub async fn cancel(&self, service: ServiceNo, id: MessageId) -> Result<(), NotCancelled> {
        let answers = self.call(1, |from| Input::Cancel { from, service, id }).await;
        match answers.into_iter().flatten().next() {
            Some((_, Answered::Cancelled(result))) => result,
            _ => Err(NotCancelled::Unavailable),
        }
    }

    /// Puts a number (digits, normalised) on a service's blacklist or takes it off, durably; says whether that changed
    /// anything. A full blacklist takes nothing more.
    ///
    /// # Errors
    /// [`Stopped`] when the engine stops or its disk does not take it.
    pub async fn block(&self, service: ServiceNo, number: u64, blocked: bool) -> Result<bool, Stopped> {
        let answers = self.call(1, |from| Input::Block { from, service, number, blocked }).await;
        match answers.into_iter().flatten().next() {
            Some((_, Answered::Done(changed))) => Ok(changed > 0),
            _ => Err(Stopped),
        }
    }

    /// Tries the dead letters of an outlet again.
    ///
    /// # Errors
    /// [`Stopped`] when the engine stops.
    pub async fn revive(&self, outlet: Outlet) -> Result<(), Stopped> {
        self.send(Input::Revive { outlet }).await
    }

    /// Owes an endpoint again what happened before; resolves when that is on disk, with how many deliveries it makes.
    ///
    /// # Errors
    /// [`Stopped`] when the engine stops or its disk does not take it.
    pub async fn owe(
        &self,
        outlet: Outlet,
        owed: Vec<crate::gateway::delivery::Owed>,
    ) -> Result<u64, Stopped> {
        let answers = self.call(1, |from| Input::Replay { from, outlet, owed }).await;
        match answers.into_iter().flatten().next() {
            Some((_, Answered::Done(owed))) => Ok(owed),
            _ => Err(Stopped),
        }
    }

    /// Takes over other settings, once they were checked.
    ///
    /// # Errors
    /// [`Stopped`] when the engine stops.
    pub async fn configure(&self, settings: Arc<Settings>) -> Result<(), Stopped> {
        self.send(Input::Configure(settings)).await
    }

    /// Hands an input over and waits for its answers; `None`: the engine stops.
    async fn call(&self, wanted: usize, input: impl FnOnce(Asker) -> Input) -> Option<Vec<(u32, Answered)>> {
        let call = self.0.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (waiting, answers) = oneshot::channel();
        lock(&self.0.calls).insert(call, Call { answers: Vec::new(), wanted, waiting });
        if self.send(input(Asker::Call(call))).await.is_err() {
            lock(&self.0.calls).remove(&call);
            return None;
        }
        answers.await.ok()
    }
}
