//! Numbers that want no more messages of a service, and the words by which mobiles say so.

use super::cold::Lost;
use super::id::{MessageId, ServiceNo};
use super::message::Interface;
use super::port::{Asker, Submission};
use super::record::{Incoming, Record};
use super::settings::OptOut;
use super::wording::{content_of, text_of};
use super::{Gateway, Turn};

/// The longest text that may be such a word, in octets: a word and some blanks, in UCS-2.
const WORD_OCTETS_MAX: usize = 80;

impl Gateway {
    /// Puts a number on a service's blacklist or takes it off; says whether that changed anything.
    pub(super) fn block(
        &mut self,
        service: ServiceNo,
        number: u64,
        blocked: bool,
        by: Option<MessageId>,
        turn: &mut Turn<'_>,
    ) -> Result<bool, Lost> {
        let full = blocked && self.state.blocked_len() >= self.settings.rules.blocked_max;
        if full || self.state.is_blocked(service, number) == blocked {
            return Ok(false);
        }
        let (at_ms, by) = (turn.now.utc_ms, by.unwrap_or(MessageId([0; 12])));
        self.commit(turn, Record::Blocked { service, number, blocked, at_ms, by })?;
        Ok(true)
    }

    /// A mobile may have said a word by which it leaves or comes back.
    pub(super) fn opt_out(&mut self, incoming: &Incoming, turn: &mut Turn<'_>) -> Result<(), Lost> {
        let Some(no) = incoming.service else { return Ok(()) };
        let Some(service) = self.service(no).cloned() else { return Ok(()) };
        let Some(words) = &service.opt_out else { return Ok(()) };
        let Some(leaves) = leaves(words, incoming) else { return Ok(()) };
        let country = &self.settings.rules.country;
        let Some(number) = super::accept::digits_of(&incoming.mo.source, country) else { return Ok(()) };
        self.block(no, number, leaves, Some(incoming.id), turn)?;
        let text = if leaves { &words.stop_text } else { &words.start_text };
        if let Some(text) = text {
            self.accept(Asker::Call(0), no, answer(incoming, text), turn)?;
        }
        Ok(())
    }
}

/// Whether the text is one of the words: `true` to leave, `false` to come back.
fn leaves(words: &OptOut, incoming: &Incoming) -> Option<bool> {
    let mo = &incoming.mo;
    if mo.payload.len() > WORD_OCTETS_MAX {
        return None;
    }
    let text = text_of(mo.esm_class, mo.data_coding, &mo.payload)?;
    let word = text.trim_matches(|c: char| c.is_whitespace() || c.is_ascii_punctuation()).to_uppercase();
    if words.stop.contains(&word) {
        return Some(true);
    }
    words.start.contains(&word).then_some(false)
}

/// What is answered to such a word.
fn answer(incoming: &Incoming, text: &str) -> Submission {
    let content = content_of(incoming.mo.destination, incoming.mo.source, text);
    Submission::new(content, Interface::Own)
}
