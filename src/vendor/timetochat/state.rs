//! States of a message, in both vocabularies (§5).

use std::borrow::Cow;
use std::collections::HashMap;

/// What the long vocabulary writes before a state.
pub const LONG_PREFIX: &str = "CRA_SMS_";

/// Which of the two spellings is written. Both are always read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Vocabulary {
    /// `SENT`: the document's newer examples.
    #[default]
    Short,
    /// `CRA_SMS_SENT`: the older ones. `NEW`, `INCOMING` and `ANSWERED` have no long form.
    Long,
}

macro_rules! states {
    ($($(#[$doc:meta])* $state:ident = $name:literal, $number:literal, $class:expr;)*) => {
        /// A state of a message, or a kind of push.
        #[derive(Clone, Debug, Eq, Hash, PartialEq)]
        pub enum State {
            $($(#[$doc])* $state,)*
            /// One that the document does not know, as it was written.
            Other(Box<str>),
        }

        impl State {
            /// All that the document knows, in its order.
            pub const KNOWN: &[Self] = &[$(Self::$state),*];

            fn known(name: &str) -> Option<Self> {
                $(if name.eq_ignore_ascii_case($name) {
                    return Some(Self::$state);
                })*
                None
            }

            /// The short name; an unknown one as it was written.
            #[must_use]
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$state => $name,)*
                    Self::Other(raw) => raw,
                }
            }

            /// Three digits for SMPP's `err:`, 0 for what is no failure. Invented.
            #[must_use]
            pub const fn error_number(&self) -> u16 {
                match self {
                    $(Self::$state => $number,)*
                    Self::Other(_) => 0,
                }
            }

            /// What it comes down to.
            #[must_use]
            pub const fn class(&self) -> Class {
                match self {
                    $(Self::$state => $class,)*
                    Self::Other(_) => Class::Unknown,
                }
            }
        }
    };
}

states! {
    /// Accepted by the API.
    New = "NEW", 0, Class::Accepted;
    /// Given to the operator.
    Sent = "SENT", 0, Class::Sent;
    /// Delivered to the handset.
    Received = "RECEIVED", 0, Class::Delivered;
    /// An error occurred while sending.
    Error = "ERROR", 1, Class::Failed(Failure::Unknown);
    /// The recipient's operator is invalid.
    OpInvalid = "OPINVALID", 2, Class::Failed(Failure::Unroutable);
    /// The recipient is blacklisted on the platform.
    Blacklist = "BLACKLIST", 3, Class::Failed(Failure::Blocked);
    /// The recipient is blacklisted by the operator.
    OpBlacklist = "OPBLACKLIST", 4, Class::Failed(Failure::Blocked);
    /// The sender is invalid.
    InvalidFrom = "INVALIDFROM", 5, Class::Failed(Failure::BadSender);
    /// The number is malformed.
    WrongNumber = "WRONGNUMBER", 6, Class::Failed(Failure::BadNumber);
    /// The subscriber is absent or the number is not assigned.
    FalseNumber = "FALSENUMBER", 7, Class::Failed(Failure::UnknownSubscriber);
    /// Trouble in talking to the operator.
    OpError = "OPERROR", 8, Class::Failed(Failure::Network);
    /// Transmission to the operator failed.
    OpFailure = "OPFAILURE", 9, Class::Failed(Failure::Network);
    /// The SMSC is overloaded.
    OpFull = "OPFULL", 10, Class::Failed(Failure::Congestion);
    /// The country is not supported.
    Country = "COUNTRY", 11, Class::Failed(Failure::Unroutable);
    /// The SIM card is full.
    FullSim = "FULLSIM", 12, Class::Failed(Failure::Handset);
    /// Too many messages to that number.
    LotOfMsg = "LOTOFMSG", 13, Class::Failed(Failure::Rate);
    /// Rejected by the operator.
    Rejected = "REJECTED", 14, Class::Failed(Failure::Rejected);
    /// Blocked by the operator.
    Blocked = "BLOCKED", 15, Class::Failed(Failure::Blocked);
    /// Pushes only: a message from a customer.
    Incoming = "INCOMING", 0, Class::Inbound;
    /// Pushes only: a message from a customer who was written to before.
    Answered = "ANSWERED", 0, Class::Inbound;
}

/// The states by their error numbers: what an upstream of the vendor's reports comes through unchanged.
#[must_use]
pub fn vendor_errors() -> HashMap<u32, State> {
    let numbered = State::KNOWN.iter().map(|state| (u32::from(state.error_number()), state.clone()));
    numbered.filter(|(number, _)| *number != 0).collect()
}

/// What a state comes down to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Class {
    /// The API has it.
    Accepted,
    /// The operator has it.
    Sent,
    /// The handset has it. Final.
    Delivered,
    /// Nobody will have it. Final.
    Failed(Failure),
    /// It is a message from a mobile.
    Inbound,
    /// Nobody knows.
    Unknown,
}

/// Why a message failed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Failure {
    /// Not said.
    Unknown,
    /// No way there.
    Unroutable,
    /// Not wanted there.
    Blocked,
    /// The sender.
    BadSender,
    /// The number.
    BadNumber,
    /// Nobody has that number, or is there.
    UnknownSubscriber,
    /// On the way.
    Network,
    /// Too much at the operator's.
    Congestion,
    /// In the handset.
    Handset,
    /// Too much for one number.
    Rate,
    /// The operator's decision.
    Rejected,
}

impl State {
    /// Reads either spelling, in any case. What is unknown is kept as it is, its prefix too.
    #[must_use]
    pub fn read(written: &str) -> Self {
        let trimmed = written.trim();
        let bare = match trimmed.get(..LONG_PREFIX.len()) {
            Some(prefix) if prefix.eq_ignore_ascii_case(LONG_PREFIX) => {
                trimmed.get(LONG_PREFIX.len()..).unwrap_or_default()
            }
            _ => trimmed,
        };
        // The prose of the document calls the family so.
        if bare.eq_ignore_ascii_case("ERREUR") {
            return Self::Error;
        }
        Self::known(bare).unwrap_or_else(|| Self::Other(written.into()))
    }

    /// The name in one of the vocabularies; an unknown one as it was written.
    #[must_use]
    pub fn write(&self, vocabulary: Vocabulary) -> Cow<'_, str> {
        match (vocabulary, self.class()) {
            (Vocabulary::Long, Class::Sent | Class::Delivered | Class::Failed(_)) => {
                Cow::Owned([LONG_PREFIX, self.name()].concat())
            }
            _ => Cow::Borrowed(self.name()),
        }
    }

    /// Whether nothing follows it.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self.class(), Class::Delivered | Class::Failed(_))
    }

    /// `NEW` 0, `SENT` 1, `RECEIVED` and every error 2; `ANSWERED` implies `RECEIVED`. `None` has no place in the order.
    #[must_use]
    pub const fn rank(&self) -> Option<u8> {
        match (self, self.class()) {
            (Self::Answered, _) | (_, Class::Delivered | Class::Failed(_)) => Some(2),
            (_, Class::Sent) => Some(1),
            (_, Class::Accepted) => Some(0),
            (_, Class::Inbound | Class::Unknown) => None,
        }
    }
}
