use bytes::{BufMut, BytesMut};

use super::frame::FrameError;
use super::read::{Fault, Reader};
use super::write::Write;
use super::{
    AlertNotification, Bind, BindResp, CancelSm, CommandId, DataSm, DataSmResp, DecodeError, DeliverSm,
    DeliverSmResp, Header, Outbind, QuerySm, QuerySmResp, ReplaceSm, SubmitMulti, SubmitMultiResp, SubmitSm,
    SubmitSmResp,
};

/// The body of a PDU, borrowed from its frame. One variant for each `command_id` of SMPP 3.4.
///
/// Numbers, texts and passwords do not show in `Debug`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs, reason = "the variants are the operations, the bodies are documented")]
pub enum Pdu<'a> {
    BindReceiver(Bind<'a>),
    BindReceiverResp(BindResp<'a>),
    BindTransmitter(Bind<'a>),
    BindTransmitterResp(BindResp<'a>),
    BindTransceiver(Bind<'a>),
    BindTransceiverResp(BindResp<'a>),
    Outbind(Outbind<'a>),
    Unbind,
    UnbindResp,
    SubmitSm(SubmitSm<'a>),
    SubmitSmResp(SubmitSmResp<'a>),
    DeliverSm(DeliverSm<'a>),
    DeliverSmResp(DeliverSmResp<'a>),
    DataSm(DataSm<'a>),
    DataSmResp(DataSmResp<'a>),
    SubmitMulti(SubmitMulti<'a>),
    SubmitMultiResp(SubmitMultiResp<'a>),
    QuerySm(QuerySm<'a>),
    QuerySmResp(QuerySmResp<'a>),
    CancelSm(CancelSm<'a>),
    CancelSmResp,
    ReplaceSm(ReplaceSm<'a>),
    ReplaceSmResp,
    EnquireLink,
    EnquireLinkResp,
    AlertNotification(AlertNotification<'a>),
    GenericNack,
    /// A reserved or vendor `command_id`; a request of this kind is answered with `generic_nack`.
    Unknown {
        /// Everything after the header.
        body: &'a [u8],
    },
}

/// Reads `frame`, exactly one PDU with its header, in place.
///
/// Octets after the last mandatory field of an operation without optional parameters are not looked at.
///
/// # Errors
/// [`DecodeError::Framing`] when `frame` is not what its `command_length` says,
/// [`DecodeError::Field`] for the first field that cannot be accepted.
#[inline]
pub fn decode(frame: &[u8]) -> Result<(Header, Pdu<'_>), DecodeError> {
    let (Some(header), Some(body)) = (Header::read(frame), frame.get(Header::OCTETS..)) else {
        let command_length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        return Err(FrameError::TooShort { command_length }.into());
    };
    if !usize::try_from(header.command_length).is_ok_and(|length| length == frame.len()) {
        return Err(mismatch(&header, frame.len()).into());
    }
    match read_body(header.command_id, Reader::new(body, frame.len())) {
        Ok(pdu) => Ok((header, pdu)),
        Err(Fault { name, offset, flaw, status }) => {
            Err(DecodeError::Field { header, name, offset, flaw, status })
        }
    }
}

#[cold]
fn mismatch(header: &Header, octets: usize) -> FrameError {
    let command_length = header.command_length;
    if usize::try_from(command_length).is_ok_and(|length| length < octets) {
        FrameError::TooShort { command_length }
    } else {
        FrameError::TooLong { command_length, limit: octets }
    }
}

#[inline]
fn read_body(id: CommandId, mut reader: Reader<'_>) -> Result<Pdu<'_>, Fault> {
    let reader = &mut reader;
    Ok(match id {
        CommandId::SUBMIT_SM => Pdu::SubmitSm(SubmitSm::read(reader)?),
        CommandId::SUBMIT_SM_RESP => Pdu::SubmitSmResp(SubmitSmResp::read(reader)?),
        CommandId::DELIVER_SM => Pdu::DeliverSm(DeliverSm::read(reader)?),
        CommandId::DELIVER_SM_RESP => Pdu::DeliverSmResp(DeliverSmResp::read(reader)?),
        CommandId::ENQUIRE_LINK => Pdu::EnquireLink,
        CommandId::ENQUIRE_LINK_RESP => Pdu::EnquireLinkResp,
        CommandId::DATA_SM => Pdu::DataSm(DataSm::read(reader)?),
        CommandId::DATA_SM_RESP => Pdu::DataSmResp(DataSmResp::read(reader)?),
        CommandId::BIND_RECEIVER => Pdu::BindReceiver(Bind::read(reader)?),
        CommandId::BIND_RECEIVER_RESP => Pdu::BindReceiverResp(BindResp::read(reader)?),
        CommandId::BIND_TRANSMITTER => Pdu::BindTransmitter(Bind::read(reader)?),
        CommandId::BIND_TRANSMITTER_RESP => Pdu::BindTransmitterResp(BindResp::read(reader)?),
        CommandId::BIND_TRANSCEIVER => Pdu::BindTransceiver(Bind::read(reader)?),
        CommandId::BIND_TRANSCEIVER_RESP => Pdu::BindTransceiverResp(BindResp::read(reader)?),
        CommandId::OUTBIND => Pdu::Outbind(Outbind::read(reader)?),
        CommandId::UNBIND => Pdu::Unbind,
        CommandId::UNBIND_RESP => Pdu::UnbindResp,
        CommandId::SUBMIT_MULTI => Pdu::SubmitMulti(SubmitMulti::read(reader)?),
        CommandId::SUBMIT_MULTI_RESP => Pdu::SubmitMultiResp(SubmitMultiResp::read(reader)?),
        CommandId::QUERY_SM => Pdu::QuerySm(QuerySm::read(reader)?),
        CommandId::QUERY_SM_RESP => Pdu::QuerySmResp(QuerySmResp::read(reader)?),
        CommandId::CANCEL_SM => Pdu::CancelSm(CancelSm::read(reader)?),
        CommandId::CANCEL_SM_RESP => Pdu::CancelSmResp,
        CommandId::REPLACE_SM => Pdu::ReplaceSm(ReplaceSm::read(reader)?),
        CommandId::REPLACE_SM_RESP => Pdu::ReplaceSmResp,
        CommandId::ALERT_NOTIFICATION => Pdu::AlertNotification(AlertNotification::read(reader)?),
        CommandId::GENERIC_NACK => Pdu::GenericNack,
        _ => Pdu::Unknown { body: reader.rest() },
    })
}

impl Pdu<'_> {
    /// The body to write, and what [`Write`] asks of it.
    fn body(&self) -> &dyn Write {
        match self {
            Self::BindReceiver(body) | Self::BindTransmitter(body) | Self::BindTransceiver(body) => body,
            Self::BindReceiverResp(body)
            | Self::BindTransmitterResp(body)
            | Self::BindTransceiverResp(body) => body,
            Self::Outbind(body) => body,
            Self::SubmitSm(body) => body,
            Self::SubmitSmResp(body) => body,
            Self::DeliverSm(body) => body,
            Self::DeliverSmResp(body) => body,
            Self::DataSm(body) => body,
            Self::DataSmResp(body) => body,
            Self::SubmitMulti(body) => body,
            Self::SubmitMultiResp(body) => body,
            Self::QuerySm(body) => body,
            Self::QuerySmResp(body) => body,
            Self::CancelSm(body) => body,
            Self::ReplaceSm(body) => body,
            Self::AlertNotification(body) => body,
            Self::Unbind
            | Self::UnbindResp
            | Self::CancelSmResp
            | Self::ReplaceSmResp
            | Self::EnquireLink
            | Self::EnquireLinkResp
            | Self::GenericNack => &(),
            Self::Unknown { body } => body,
        }
    }
}

/// Octets of an operation that is not ours to judge.
impl Write for &[u8] {
    fn octets_max(&self) -> usize {
        self.len()
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_slice(self);
    }
}

impl Write for Pdu<'_> {
    fn octets_max(&self) -> usize {
        self.body().octets_max()
    }

    fn write(&self, out: &mut BytesMut) {
        self.body().write(out);
    }
}
