use std::fmt;

/// Outcome of a request (SMPP 3.4 §5.1.3, table 5-2). Unlisted and vendor codes survive a round trip.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CommandStatus(pub u32);

macro_rules! statuses {
    ($($name:ident = $value:literal, $meaning:literal;)*) => {
        #[allow(missing_docs, reason = "the table's own meaning is the documentation, see `meaning`")]
        impl CommandStatus {
            $(#[doc = $meaning] pub const $name: Self = Self($value);)*

            /// Every status of the table, in its order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The specification's name, `None` for a reserved or vendor code.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            /// What the status says, in a short phrase; `None` for a reserved or vendor code.
            pub const fn meaning(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($meaning),)*
                    _ => None,
                }
            }
        }
    };
}

statuses! {
    ESME_ROK = 0x0000, "no error";
    ESME_RINVMSGLEN = 0x0001, "message length is invalid";
    ESME_RINVCMDLEN = 0x0002, "command length is invalid";
    ESME_RINVCMDID = 0x0003, "command id is invalid";
    ESME_RINVBNDSTS = 0x0004, "not allowed in this bind state";
    ESME_RALYBND = 0x0005, "already bound";
    ESME_RINVPRTFLG = 0x0006, "priority flag is invalid";
    ESME_RINVREGDLVFLG = 0x0007, "registered delivery flag is invalid";
    ESME_RSYSERR = 0x0008, "system error";
    ESME_RINVSRCADR = 0x000A, "source address is invalid";
    ESME_RINVDSTADR = 0x000B, "destination address is invalid";
    ESME_RINVMSGID = 0x000C, "message id is invalid";
    ESME_RBINDFAIL = 0x000D, "bind failed";
    ESME_RINVPASWD = 0x000E, "password is invalid";
    ESME_RINVSYSID = 0x000F, "system id is invalid";
    ESME_RCANCELFAIL = 0x0011, "cancel_sm failed";
    ESME_RREPLACEFAIL = 0x0013, "replace_sm failed";
    ESME_RMSGQFUL = 0x0014, "message queue is full";
    ESME_RINVSERTYP = 0x0015, "service type is invalid";
    ESME_RINVNUMDESTS = 0x0033, "number of destinations is invalid";
    ESME_RINVDLNAME = 0x0034, "distribution list name is invalid";
    ESME_RINVDESTFLAG = 0x0040, "destination flag is invalid";
    ESME_RINVSUBREP = 0x0042, "submit with replace is not possible";
    ESME_RINVESMCLASS = 0x0043, "esm_class is invalid";
    ESME_RCNTSUBDL = 0x0044, "cannot submit to the distribution list";
    ESME_RSUBMITFAIL = 0x0045, "submit failed";
    ESME_RINVSRCTON = 0x0048, "type of number of the source is invalid";
    ESME_RINVSRCNPI = 0x0049, "numbering plan of the source is invalid";
    ESME_RINVDSTTON = 0x0050, "type of number of the destination is invalid";
    ESME_RINVDSTNPI = 0x0051, "numbering plan of the destination is invalid";
    ESME_RINVSYSTYP = 0x0053, "system type is invalid";
    ESME_RINVREPFLAG = 0x0054, "replace_if_present flag is invalid";
    ESME_RINVNUMMSGS = 0x0055, "number of messages is invalid";
    ESME_RTHROTTLED = 0x0058, "throttled: the allowed rate is exceeded";
    ESME_RINVSCHED = 0x0061, "scheduled delivery time is invalid";
    ESME_RINVEXPIRY = 0x0062, "validity period is invalid";
    ESME_RINVDFTMSGID = 0x0063, "predefined message is invalid or not found";
    ESME_RX_T_APPN = 0x0064, "receiver application: temporary error";
    ESME_RX_P_APPN = 0x0065, "receiver application: permanent error";
    ESME_RX_R_APPN = 0x0066, "receiver application: message rejected";
    ESME_RQUERYFAIL = 0x0067, "query_sm failed";
    ESME_RINVOPTPARSTREAM = 0x00C0, "optional part of the PDU is malformed";
    ESME_ROPTPARNOTALLWD = 0x00C1, "optional parameter is not allowed";
    ESME_RINVPARLEN = 0x00C2, "parameter length is invalid";
    ESME_RMISSINGOPTPARAM = 0x00C3, "expected optional parameter is missing";
    ESME_RINVOPTPARAMVAL = 0x00C4, "optional parameter value is invalid";
    ESME_RDELIVERYFAILURE = 0x00FE, "delivery failed (data_sm_resp)";
    ESME_RUNKNOWNERR = 0x00FF, "unknown error";
}

impl CommandStatus {
    /// The status with this printed name (`ESME_RTHROTTLED`, or `RTHROTTLED`), any case.
    pub fn from_name(name: &str) -> Option<Self> {
        let bare = |name: &str| name.to_ascii_uppercase().trim_start_matches("ESME_").to_owned();
        let wanted = bare(name);
        Self::ALL.iter().copied().find(|status| status.name().is_some_and(|name| bare(name) == wanted))
    }

    /// Whether the code lies in the range that the specification leaves to vendors (0x400–0x4FF).
    pub const fn is_vendor(self) -> bool {
        matches!(self.0, 0x400..=0x4FF)
    }
}

impl fmt::Display for CommandStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "0x{:08X}", self.0),
        }
    }
}

impl fmt::Debug for CommandStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
