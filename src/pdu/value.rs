//! One-octet values that strangers extend: the octet is kept, constants name what the specification names.

use std::fmt;

macro_rules! octet {
    ($(#[$doc:meta])* $type:ident { $($(#[$cdoc:meta])* $name:ident = $value:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $type(pub u8);

        impl $type {
            $($(#[$cdoc])* pub const $name: Self = Self($value);)*

            /// The specification's word for it, `None` for a reserved or foreign value.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => f.pad(name),
                    None => write!(f, "0x{:02X}", self.0),
                }
            }
        }
    };
}

octet! {
    /// Type of number (SMPP 3.4 §5.2.5).
    Ton {
        /// Nothing is said.
        UNKNOWN = 0, "unknown";
        /// Country code first.
        INTERNATIONAL = 1, "international";
        /// Without country code.
        NATIONAL = 2, "national";
        /// The network's own.
        NETWORK_SPECIFIC = 3, "network specific";
        /// Within one subscriber's plan.
        SUBSCRIBER = 4, "subscriber";
        /// Letters, at most eleven.
        ALPHANUMERIC = 5, "alphanumeric";
        /// A short form.
        ABBREVIATED = 6, "abbreviated";
    }
}

octet! {
    /// Numbering plan (SMPP 3.4 §5.2.6).
    Npi {
        /// Nothing is said.
        UNKNOWN = 0, "unknown";
        /// E.164, the telephone's.
        ISDN = 1, "ISDN (E.164)";
        /// X.121.
        DATA = 3, "data (X.121)";
        /// F.69.
        TELEX = 4, "telex (F.69)";
        /// E.212.
        LAND_MOBILE = 6, "land mobile (E.212)";
        /// A country's own.
        NATIONAL = 8, "national";
        /// A company's own.
        PRIVATE = 9, "private";
        /// ERMES paging.
        ERMES = 10, "ERMES";
        /// An Internet address.
        INTERNET = 14, "Internet (IP)";
        /// WAP client.
        WAP = 18, "WAP client id";
    }
}

octet! {
    /// Alphabet or kind of the content (SMPP 3.4 §5.2.19). Foreign values pass raw.
    DataCoding {
        /// The SMSC's own default alphabet: usually GSM 7-bit, one septet per octet, but it is the peer's choice.
        DEFAULT = 0x00, "SMSC default alphabet";
        /// IA5, ASCII; GSM 7-bit at some peers.
        ASCII = 0x01, "IA5 (ASCII)";
        /// Octets.
        OCTETS_2 = 0x02, "octets (8-bit binary)";
        /// ISO 8859-1.
        LATIN_1 = 0x03, "Latin-1 (ISO 8859-1)";
        /// Octets.
        OCTETS = 0x04, "octets (8-bit binary)";
        /// JIS X 0208-1990.
        JIS = 0x05, "JIS (X 0208-1990)";
        /// ISO 8859-5.
        CYRILLIC = 0x06, "Cyrillic (ISO 8859-5)";
        /// ISO 8859-8.
        HEBREW = 0x07, "Latin/Hebrew (ISO 8859-8)";
        /// UCS-2, in truth UTF-16 with the high octet first.
        UCS2 = 0x08, "UCS-2 (UTF-16BE)";
        /// Pictograms.
        PICTOGRAM = 0x09, "pictogram encoding";
        /// ISO-2022-JP, music codes.
        ISO_2022_JP = 0x0A, "ISO-2022-JP (music codes)";
        /// JIS X 0212-1990.
        EXTENDED_KANJI = 0x0D, "extended Kanji JIS (X 0212-1990)";
        /// KS C 5601.
        KS_C_5601 = 0x0E, "KS C 5601";
        /// Class 0 in GSM 7-bit: not in the table, but used.
        FLASH_GSM7 = 0x10, "flash, GSM 7-bit (outside the table)";
        /// Class 0 in UCS-2: not in the table, but used.
        FLASH_UCS2 = 0x18, "flash, UCS-2 (outside the table)";
        /// Class 0 in GSM 7-bit: shown at once, not stored.
        GSM7_CLASS_0 = 0xF0, "GSM 7-bit, class 0 (flash)";
        /// Class 1: kept in the mobile.
        GSM7_CLASS_1 = 0xF1, "GSM 7-bit, class 1 (mobile)";
        /// Class 2: kept on the SIM.
        GSM7_CLASS_2 = 0xF2, "GSM 7-bit, class 2 (SIM)";
        /// Class 3: for the terminal equipment.
        GSM7_CLASS_3 = 0xF3, "GSM 7-bit, class 3 (terminal equipment)";
        /// Octets, class 0.
        OCTETS_CLASS_0 = 0xF4, "octets, class 0 (flash)";
        /// Octets, class 1.
        OCTETS_CLASS_1 = 0xF5, "octets, class 1 (mobile)";
        /// Octets, class 2.
        OCTETS_CLASS_2 = 0xF6, "octets, class 2 (SIM)";
        /// Octets, class 3.
        OCTETS_CLASS_3 = 0xF7, "octets, class 3 (terminal equipment)";
    }
}

impl DataCoding {
    /// Whether code units of two octets are meant.
    pub const fn is_ucs2(self) -> bool {
        matches!(self.0, 0x08 | 0x18)
    }

    /// Whether the content is octets without an alphabet.
    pub const fn is_binary(self) -> bool {
        matches!(self.0, 0x02 | 0x04 | 0xF4..=0xF7)
    }

    /// Whether the message is to be shown at once and not kept (class 0).
    pub const fn is_flash(self) -> bool {
        matches!(self.0, 0x10 | 0x18 | 0xF0 | 0xF4)
    }

    /// Whether this is a GSM message waiting indication (0xC0–0xDF, 0xE0–0xEF in UCS-2 excluded).
    pub const fn is_message_waiting(self) -> bool {
        matches!(self.0, 0xC0..=0xDF)
    }
}

octet! {
    /// Where a message is in its life (SMPP 3.4 §5.2.28; 0 and 9 are 5.0's).
    MessageState {
        /// Not yet tried (5.0).
        SCHEDULED = 0, "SCHEDULED";
        /// On its way.
        ENROUTE = 1, "ENROUTE";
        /// At the mobile.
        DELIVERED = 2, "DELIVERED";
        /// Its validity ended first.
        EXPIRED = 3, "EXPIRED";
        /// Cancelled.
        DELETED = 4, "DELETED";
        /// Cannot be delivered.
        UNDELIVERABLE = 5, "UNDELIVERABLE";
        /// Read by customer service on behalf of the subscriber; in practice "taken over". Not final.
        ACCEPTED = 6, "ACCEPTED";
        /// Nobody knows.
        UNKNOWN = 7, "UNKNOWN";
        /// Refused.
        REJECTED = 8, "REJECTED";
        /// Left out (5.0).
        SKIPPED = 9, "SKIPPED";
    }
}

impl MessageState {
    /// The seven letters of receipt text (Appendix B). A foreign value reads `UNKNOWN`.
    pub const fn stat(self) -> &'static str {
        match self.0 {
            0 => "SCHEDLD",
            1 => "ENROUTE",
            2 => "DELIVRD",
            3 => "EXPIRED",
            4 => "DELETED",
            5 => "UNDELIV",
            6 => "ACCEPTD",
            8 => "REJECTD",
            9 => "SKIPPED",
            _ => "UNKNOWN",
        }
    }

    /// The state meant by the `stat` of a receipt text: Appendix B's words, or the full words, in any case.
    pub fn from_stat(stat: &[u8]) -> Option<Self> {
        const WORDS: [(&[u8], MessageState); 25] = [
            (b"DELIVRD", MessageState::DELIVERED),
            (b"DELIVERED", MessageState::DELIVERED),
            (b"DELIVERD", MessageState::DELIVERED),
            (b"EXPIRED", MessageState::EXPIRED),
            (b"DELETED", MessageState::DELETED),
            (b"UNDELIV", MessageState::UNDELIVERABLE),
            (b"UNDELIVRD", MessageState::UNDELIVERABLE),
            (b"UNDELIVERED", MessageState::UNDELIVERABLE),
            (b"UNDELIVERABLE", MessageState::UNDELIVERABLE),
            (b"FAILED", MessageState::UNDELIVERABLE),
            (b"ACCEPTD", MessageState::ACCEPTED),
            (b"ACCEPTED", MessageState::ACCEPTED),
            (b"ACKED", MessageState::ACCEPTED),
            (b"BUFFRED", MessageState::ENROUTE),
            (b"BUFFERED", MessageState::ENROUTE),
            (b"UNKNOWN", MessageState::UNKNOWN),
            (b"UNKNWN", MessageState::UNKNOWN),
            (b"REJECTD", MessageState::REJECTED),
            (b"REJECTED", MessageState::REJECTED),
            (b"REJECT", MessageState::REJECTED),
            (b"ENROUTE", MessageState::ENROUTE),
            (b"SCHEDLD", MessageState::SCHEDULED),
            (b"SCHEDULED", MessageState::SCHEDULED),
            (b"SKIPPED", MessageState::SKIPPED),
            (b"CANCELED", MessageState::DELETED),
        ];
        WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(stat)).map(|(_, state)| *state)
    }

    /// Whether no other state follows. `SCHEDULED`, `ENROUTE`, `ACCEPTED` and foreign values are not final.
    pub const fn is_final(self) -> bool {
        matches!(self.0, 2..=5 | 7..=9)
    }
}

/// Mode and kind of a message (SMPP 3.4 §5.2.12). The octet is kept whole.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EsmClass(pub u8);

impl EsmClass {
    /// A plain message in the SMSC's default mode.
    pub const DEFAULT: Self = Self(0x00);
    /// `deliver_sm`: a delivery receipt.
    pub const DELIVERY_RECEIPT: Self = Self(0x04);
    /// An acknowledgement by the receiving SME.
    pub const SME_ACK: Self = Self(0x08);
    /// An acknowledgement by the receiving person.
    pub const MANUAL_ACK: Self = Self(0x10);
    /// `deliver_sm`: a conversation was aborted (Korean CDMA).
    pub const CONVERSATION_ABORT: Self = Self(0x18);
    /// `deliver_sm`: an intermediate notification.
    pub const INTERMEDIATE: Self = Self(0x20);
    /// The user data begins with a header.
    pub const UDHI: Self = Self(0x40);
    /// Reply path.
    pub const REPLY_PATH: Self = Self(0x80);

    /// Messaging mode, bits 1–0: 0 default, 1 datagram, 2 forward, 3 store and forward. Means nothing in `deliver_sm`.
    pub const fn mode(self) -> u8 {
        self.0 & 0x03
    }

    /// Message type, bits 5–2, in place (0x04, 0x08, …).
    pub const fn message_type(self) -> u8 {
        self.0 & 0x3C
    }

    /// Whether a `deliver_sm` is a delivery receipt. Bits 1–0 are not looked at.
    pub const fn is_delivery_receipt(self) -> bool {
        self.message_type() == 0x04
    }

    /// Whether a `deliver_sm` is an intermediate notification.
    pub const fn is_intermediate(self) -> bool {
        self.message_type() == 0x20
    }

    /// Whether a `deliver_sm` is an SME's own acknowledgement.
    pub const fn is_sme_ack(self) -> bool {
        self.message_type() == 0x08
    }

    /// Whether a `deliver_sm` is a person's acknowledgement.
    pub const fn is_manual_ack(self) -> bool {
        self.message_type() == 0x10
    }

    /// Whether the user data begins with a header.
    pub const fn has_udhi(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// Whether the reply path is set.
    pub const fn has_reply_path(self) -> bool {
        self.0 & 0x80 != 0
    }
}

impl fmt::Debug for EsmClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:02X}", self.0)
    }
}

/// Which reports are wanted (SMPP 3.4 §5.2.17). The octet is kept whole.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RegisteredDelivery(pub u8);

impl RegisteredDelivery {
    /// No report.
    pub const NONE: Self = Self(0x00);
    /// A receipt for the final outcome, whichever it is.
    pub const RECEIPT: Self = Self(0x01);
    /// A receipt only when delivery fails.
    pub const RECEIPT_ON_FAILURE: Self = Self(0x02);
    /// A receipt only when delivery succeeds (5.0; reserved in 3.4).
    pub const RECEIPT_ON_SUCCESS: Self = Self(0x03);
    /// Intermediate notifications (bit 4; the text of 3.4 says "bit 5").
    pub const INTERMEDIATE: Self = Self(0x10);

    /// Whether any receipt of the SMSC is wanted.
    pub const fn wants_receipt(self) -> bool {
        self.0 & 0x03 != 0
    }

    /// Whether a receipt is wanted for an outcome that is a success, or is not.
    pub const fn wants_receipt_for(self, success: bool) -> bool {
        match self.0 & 0x03 {
            0x01 => true,
            0x02 => !success,
            0x03 => success,
            _ => false,
        }
    }

    /// Whether the receiving SME is asked to acknowledge by itself.
    pub const fn wants_sme_ack(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// Whether the receiving person is asked to acknowledge.
    pub const fn wants_manual_ack(self) -> bool {
        self.0 & 0x08 != 0
    }

    /// Whether intermediate notifications are wanted.
    pub const fn wants_intermediate(self) -> bool {
        self.0 & 0x10 != 0
    }
}

impl fmt::Debug for RegisteredDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:02X}", self.0)
    }
}
