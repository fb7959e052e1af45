//! Which message a receipt is about (SEMANTICS 10).

use std::collections::HashMap;

use super::cold::Lost;
use super::id::{LinkId, MessageId, UpstreamNo};
use super::message::PartStage;
use super::port::{Asker, Effect};
use super::record::{Parked, Record, Report};
use super::{Gateway, Turn};

/// Transformed matches without contradiction after which a form is used without asking further.
const LEARNED_AFTER: u32 = 20;

/// How an SMSC's receipts may write the id that its submit_sm_resp gave.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Form {
    /// The response said hexadecimal, the receipt says decimal.
    DecimalForHex,
    /// The response said decimal, the receipt says hexadecimal.
    HexForDecimal,
    /// Upper for lower case or the reverse.
    OtherCase,
    /// Zeros in front were added or left out.
    Zeros,
}

impl Form {
    const ALL: [Self; 4] = [Self::DecimalForHex, Self::HexForDecimal, Self::OtherCase, Self::Zeros];

    /// What the response may have said if the receipt says `id`; `width` octets are what this SMSC's ids have.
    fn origins(self, id: &str, width: usize) -> Vec<String> {
        let widths = |digits: usize| {
            // Before the first answer of a run any usual width may have been meant.
            let unknown = if width == 0 { digits..21 } else { 0..0 };
            [digits, width, 8, 10, 16].into_iter().chain(unknown)
        };
        let padded = |digits: String| {
            let mut all = Vec::new();
            for w in widths(digits.len()) {
                let padded = format!("{digits:0>w$}");
                all.push(padded.to_ascii_uppercase());
                all.push(padded);
            }
            all
        };
        let mut origins = match self {
            Self::DecimalForHex => id.parse::<u128>().map(|n| padded(format!("{n:x}"))).unwrap_or_default(),
            Self::HexForDecimal => {
                u128::from_str_radix(id, 16).map(|n| padded(n.to_string())).unwrap_or_default()
            }
            Self::OtherCase => vec![id.to_ascii_lowercase(), id.to_ascii_uppercase()],
            Self::Zeros => {
                let bare = id.trim_start_matches('0');
                widths(bare.len()).map(|w| format!("{bare:0>w$}")).collect()
            }
        };
        origins.sort_unstable();
        origins.dedup();
        origins
    }
}

/// Which forms an upstream's receipts use.
#[derive(Debug, Default)]
pub(super) struct Forms {
    learned: HashMap<UpstreamNo, Form>,
    seen: HashMap<(UpstreamNo, Form), u32>,
    /// Octets of the last id that each upstream handed out.
    widths: HashMap<UpstreamNo, usize>,
}

impl Forms {
    /// A form was learned in an earlier run.
    pub(super) fn learned(&mut self, upstream: UpstreamNo, form: u8) {
        if let Some(&form) = Form::ALL.get(usize::from(form)) {
            self.learned.insert(upstream, form);
        }
    }
}

/// What a receipt's id led to.
enum Match {
    One(MessageId, u8),
    Ambiguous,
    None,
}

impl Gateway {
    /// A receipt has come.
    pub(super) fn receipt_arrived(
        &mut self,
        upstream: UpstreamNo,
        report: Report,
        turn: &mut Turn<'_>,
    ) -> Result<(), Lost> {
        if let Some(id) = report.message
            && self.is_known_by(upstream, id, &report, turn)?
        {
            return self.receipted(id, 0, &report, turn);
        }
        match self.find_receipted(upstream, &report, turn)? {
            Match::One(id, part) => self.receipted(id, part, &report, turn),
            Match::Ambiguous => {
                self.counts.receipts_ambiguous += 1;
                self.park(upstream, report, turn)
            }
            Match::None => self.park(upstream, report, turn),
        }
    }

    /// The upstream gave our own id back: whatever it calls the message, this is it.
    fn is_known_by(
        &mut self,
        upstream: UpstreamNo,
        id: MessageId,
        report: &Report,
        turn: &mut Turn<'_>,
    ) -> Result<bool, Lost> {
        let Some(m) = self.state.message(id)?.filter(|m| m.upstream == upstream) else { return Ok(false) };
        let nameless = m.parts.first().is_some_and(|p| p.upstream_id.is_empty());
        let unsure = m.ties.unsure_until_ms != 0;
        drop(m);
        if (nameless || unsure) && !report.upstream_id.is_empty() {
            let (at_ms, upstream_id) = (turn.now.utc_ms, report.upstream_id.clone());
            self.commit(turn, Record::Sent { id, part: 0, at_ms, upstream_id })?;
            self.will_inquire(upstream, id, turn.now);
        }
        Ok(true)
    }

    fn find_receipted(
        &mut self,
        upstream: UpstreamNo,
        report: &Report,
        turn: &mut Turn<'_>,
    ) -> Result<Match, Lost> {
        for id in [&report.upstream_id, &report.other_id] {
            if !id.is_empty()
                && let Some((message, part)) = self.state.upstream_id(upstream, id)?
            {
                return Ok(Match::One(message, part));
            }
        }
        let mut candidates: Vec<(MessageId, u8, Form)> = Vec::new();
        let width = self.forms.widths.get(&upstream).copied().unwrap_or(0);
        let known = self.forms.learned.get(&upstream).copied();
        for form in Form::ALL.into_iter().filter(|f| known.is_none_or(|k| k == *f)) {
            for id in [&report.upstream_id, &report.other_id] {
                let Ok(id) = std::str::from_utf8(id) else { continue };
                if id.is_empty() || id.len() > 32 {
                    continue;
                }
                for origin in form.origins(id, width) {
                    if let Some((message, part)) = self.state.upstream_id(upstream, origin.as_bytes())?
                        && self.is_swapped(message, report)?
                        && !candidates.iter().any(|&(m, p, _)| (m, p) == (message, part))
                    {
                        candidates.push((message, part, form));
                    }
                }
            }
        }
        match candidates[..] {
            [] => Ok(Match::None),
            [(message, part, form)] => {
                self.counts.receipts_transformed += 1;
                self.learn(upstream, form, turn)?;
                Ok(Match::One(message, part))
            }
            _ => Ok(Match::Ambiguous),
        }
    }

    /// The receipt's addresses are the message's, swapped.
    fn is_swapped(&self, id: MessageId, report: &Report) -> Result<bool, Lost> {
        let same = |a: &crate::pdu::Address, b: &crate::pdu::Address| {
            let bare = |a: &crate::pdu::Address| {
                a.octets.as_bytes().strip_prefix(b"+").unwrap_or(a.octets.as_bytes()).to_vec()
            };
            bare(a) == bare(b)
        };
        let Some(m) = self.state.message(id)? else { return Ok(false) };
        Ok(same(&m.content.source, &report.destination) && same(&m.content.destination, &report.source))
    }

    fn learn(&mut self, upstream: UpstreamNo, form: Form, turn: &mut Turn<'_>) -> Result<(), Lost> {
        if self.forms.learned.contains_key(&upstream) {
            return Ok(());
        }
        // Another form contradicts: counting begins anew.
        self.forms.seen.retain(|&(u, f), _| u != upstream || f == form);
        let seen = self.forms.seen.entry((upstream, form)).or_default();
        *seen += 1;
        if *seen < LEARNED_AFTER {
            return Ok(());
        }
        self.forms.learned.insert(upstream, form);
        self.commit(turn, Record::FormLearned { upstream, form: form as u8 })
    }

    fn receipted(
        &mut self,
        id: MessageId,
        part: u8,
        report: &Report,
        turn: &mut Turn<'_>,
    ) -> Result<(), Lost> {
        let Some(m) = self.state.message(id)? else { return Ok(()) };
        let repeated = match m.parts.get(usize::from(part)).map(|p| p.stage) {
            Some(PartStage::Final { state, .. }) if m.has_final_receipt(part) => {
                // After a final report only another final one is news.
                state == report.state || !report.state.is_final()
            }
            None => true,
            Some(_) => m.has_receipt(part, report.state),
        };
        drop(m);
        if repeated {
            self.counts.receipts_repeated += 1;
            return Ok(());
        }
        let (state, error, at_ms) = (report.state, report.error, turn.now.utc_ms);
        self.commit(turn, Record::Receipted { id, part, at_ms, state, error })
    }

    /// Keeps a receipt that names no message, for the submit_sm_resp that may still come.
    fn park(&mut self, upstream: UpstreamNo, report: Report, turn: &mut Turn<'_>) -> Result<(), Lost> {
        let no = self.state.counters.parked + 1;
        self.commit(turn, Record::Parked(Box::new(Parked { no, upstream, at_ms: turn.now.utc_ms, report })))
    }

    /// A submit's answer has named its id: receipts that came before it are its own, if they are young enough.
    pub(super) fn match_parked(
        &mut self,
        upstream: UpstreamNo,
        upstream_id: &[u8],
        (id, part): (MessageId, u8),
        turn: &mut Turn<'_>,
    ) -> Result<(), Lost> {
        if upstream_id.is_empty() {
            return Ok(());
        }
        self.forms.widths.insert(upstream, upstream_id.len());
        let early = self.settings.rules.early_receipt_ms;
        let Some(dispatched_ms) =
            self.state.message(id)?.and_then(|m| m.parts.get(usize::from(part)).map(|p| p.dispatched_ms))
        else {
            return Ok(());
        };
        let found: Vec<(u64, Report)> = self
            .state
            .parked_for(upstream, upstream_id)
            .into_iter()
            .filter(|p| p.at_ms.abs_diff(dispatched_ms) <= early)
            .map(|p| (p.no, p.report.clone()))
            .collect();
        for (no, report) in found {
            self.commit(turn, Record::Unparked { no })?;
            self.receipted(id, part, &report, turn)?;
        }
        Ok(())
    }

    /// Receipts without a message that are too old or too many are dropped, and counted.
    pub(super) fn drop_unmatched(&mut self, turn: &mut Turn<'_>) -> Result<(), Lost> {
        let rules = &self.settings.rules;
        let (most, life) = (rules.unmatched_max, rules.unmatched_life_ms);
        let kept = self.state.parked().len();
        let old: Vec<u64> = self
            .state
            .parked()
            .enumerate()
            .take(1_000)
            .take_while(|(n, p)| kept - n > most || p.at_ms.saturating_add(life) <= turn.now.utc_ms)
            .map(|(_, p)| p.no)
            .collect();
        for no in old {
            self.state.counters.unmatched_dropped += 1;
            self.commit(turn, Record::Unparked { no })?;
        }
        Ok(())
    }

    /// Answers an upstream's deliver_sm once the batch is on disk.
    pub(super) fn acknowledge(&self, link: LinkId, reply: u32, turn: &mut Turn<'_>) {
        turn.effects.push((Asker::Link(link), Effect::Acknowledge { reply, stored: true }));
    }
}

#[cfg(test)]
mod tests {
    use super::Form;

    #[test]
    fn the_forms_that_smscs_mix_are_found() {
        for (form, receipt, response) in [
            (Form::DecimalForHex, "1891273321", "70BA8A69"),
            (Form::DecimalForHex, "0000436949", "6aad5"),
            (Form::HexForDecimal, "6AAD5", "0000436949"),
            (Form::OtherCase, "ABCDEF", "abcdef"),
            (Form::Zeros, "0000436949", "436949"),
            (Form::Zeros, "436949", "0000436949"),
        ] {
            let origins = form.origins(receipt, response.len());
            assert!(origins.iter().any(|o| o == response), "{form:?}: {receipt} {origins:?}");
        }
    }
}
