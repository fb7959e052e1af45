//! The mandatory fields: name, size and the status that refuses them.

use super::CommandStatus;

/// One mandatory field of the specification.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    /// As the specification spells it.
    pub(crate) name: &'static str,
    /// Octets at most, the NUL included.
    pub(crate) limit: usize,
    /// The answer to a field that is too long or has an undefined value.
    pub(crate) status: CommandStatus,
}

macro_rules! fields {
    ($($constant:ident = $name:literal, $limit:literal, $status:ident;)*) => {
        $(pub(crate) const $constant: &Field =
            &Field { name: $name, limit: $limit, status: CommandStatus::$status };)*
    };
}

fields! {
    SYSTEM_ID = "system_id", 16, ESME_RINVSYSID;
    // Nine in the specification; users want longer ones, so the limit is the configuration's.
    PASSWORD = "password", 65, ESME_RINVPASWD;
    SYSTEM_TYPE = "system_type", 13, ESME_RINVSYSTYP;
    INTERFACE_VERSION = "interface_version", 1, ESME_RINVCMDLEN;
    ADDR_TON = "addr_ton", 1, ESME_RINVCMDLEN;
    ADDR_NPI = "addr_npi", 1, ESME_RINVCMDLEN;
    ADDRESS_RANGE = "address_range", 41, ESME_RINVPARLEN;
    SERVICE_TYPE = "service_type", 6, ESME_RINVSERTYP;
    SOURCE_ADDR_TON = "source_addr_ton", 1, ESME_RINVSRCTON;
    SOURCE_ADDR_NPI = "source_addr_npi", 1, ESME_RINVSRCNPI;
    SOURCE_ADDR = "source_addr", 21, ESME_RINVSRCADR;
    LONG_SOURCE_ADDR = "source_addr", 65, ESME_RINVSRCADR;
    DEST_ADDR_TON = "dest_addr_ton", 1, ESME_RINVDSTTON;
    DEST_ADDR_NPI = "dest_addr_npi", 1, ESME_RINVDSTNPI;
    DESTINATION_ADDR = "destination_addr", 21, ESME_RINVDSTADR;
    LONG_DESTINATION_ADDR = "destination_addr", 65, ESME_RINVDSTADR;
    ESME_ADDR_TON = "esme_addr_ton", 1, ESME_RINVDSTTON;
    ESME_ADDR_NPI = "esme_addr_npi", 1, ESME_RINVDSTNPI;
    ESME_ADDR = "esme_addr", 65, ESME_RINVDSTADR;
    ESM_CLASS = "esm_class", 1, ESME_RINVESMCLASS;
    PROTOCOL_ID = "protocol_id", 1, ESME_RINVCMDLEN;
    PRIORITY_FLAG = "priority_flag", 1, ESME_RINVPRTFLG;
    SCHEDULE_DELIVERY_TIME = "schedule_delivery_time", 17, ESME_RINVSCHED;
    VALIDITY_PERIOD = "validity_period", 17, ESME_RINVEXPIRY;
    REGISTERED_DELIVERY = "registered_delivery", 1, ESME_RINVREGDLVFLG;
    REPLACE_IF_PRESENT_FLAG = "replace_if_present_flag", 1, ESME_RINVREPFLAG;
    DATA_CODING = "data_coding", 1, ESME_RINVCMDLEN;
    SM_DEFAULT_MSG_ID = "sm_default_msg_id", 1, ESME_RINVDFTMSGID;
    SM_LENGTH = "sm_length", 1, ESME_RINVMSGLEN;
    SHORT_MESSAGE = "short_message", 254, ESME_RINVMSGLEN;
    MESSAGE_ID = "message_id", 65, ESME_RINVMSGID;
    FINAL_DATE = "final_date", 17, ESME_RINVPARLEN;
    MESSAGE_STATE = "message_state", 1, ESME_RINVCMDLEN;
    ERROR_CODE = "error_code", 1, ESME_RINVCMDLEN;
    NUMBER_OF_DESTS = "number_of_dests", 1, ESME_RINVNUMDESTS;
    DEST_FLAG = "dest_flag", 1, ESME_RINVDESTFLAG;
    DL_NAME = "dl_name", 21, ESME_RINVDLNAME;
    NO_UNSUCCESS = "no_unsuccess", 1, ESME_RINVNUMDESTS;
    ERROR_STATUS_CODE = "error_status_code", 4, ESME_RINVCMDLEN;
}
