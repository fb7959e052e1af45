//! The body that `submit_sm` and `deliver_sm` share: same fields, other rules.

/// Defines a body with the mandatory fields of a short message.
///
/// `$strict` says whether flags and times are judged, or taken as they are.
macro_rules! short_message_body {
    ($(#[$doc:meta])* $name:ident, strict: $strict:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, Eq, PartialEq)]
        pub struct $name<'a> {
            /// Application of the message, at most 5 octets (`CMT`, `WAP`, …); empty is the default.
            pub service_type: &'a [u8],
            /// Who it is from.
            pub source: Address,
            /// Who it is for.
            pub destination: Address,
            /// Mode, kind, UDHI.
            pub esm_class: EsmClass,
            /// GSM's TP-PID, zero unless asked for.
            pub protocol_id: u8,
            /// 0 (lowest) to 3.
            pub priority_flag: u8,
            /// When to begin, as SMPP writes times; empty is "now".
            pub schedule_delivery_time: &'a [u8],
            /// Until when to try, as SMPP writes times; empty is the SMSC's default.
            pub validity_period: &'a [u8],
            /// Which reports are wanted.
            pub registered_delivery: RegisteredDelivery,
            /// 1 replaces a waiting message of the same source, destination and service_type.
            pub replace_if_present: u8,
            /// Alphabet of the message.
            pub data_coding: DataCoding,
            /// A message kept at the SMSC, 0 for none.
            pub sm_default_msg_id: u8,
            /// The message, header of user data included; at most 254 octets, 255 are seen.
            pub short_message: &'a [u8],
            /// Optional parameters, unknown ones included.
            pub tlvs: Tlvs<'a>,
        }

        impl<'a> $name<'a> {
            /// The message: `message_payload` when it is there, `short_message` otherwise.
            #[inline]
            pub fn message(&self) -> &'a [u8] {
                self.tlvs.find(Tag::MESSAGE_PAYLOAD).unwrap_or(self.short_message)
            }

            /// Whether both `short_message` and `message_payload` hold something, which the
            /// specification forbids (§4.4.1); [`message`](Self::message) then gives the payload.
            pub fn has_two_messages(&self) -> bool {
                !self.short_message.is_empty()
                    && self.tlvs.find(Tag::MESSAGE_PAYLOAD).is_some_and(|payload| !payload.is_empty())
            }

            #[inline]
            pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
                Ok(Self {
                    service_type: reader.c_octets(field::SERVICE_TYPE)?,
                    source: reader.source()?,
                    destination: reader.destination()?,
                    esm_class: EsmClass(reader.octet(field::ESM_CLASS)?),
                    protocol_id: reader.octet(field::PROTOCOL_ID)?,
                    priority_flag: reader.octet_up_to(field::PRIORITY_FLAG, if $strict { 3 } else { 255 })?,
                    schedule_delivery_time: if $strict {
                        reader.time(field::SCHEDULE_DELIVERY_TIME)?
                    } else {
                        reader.c_octets(field::SCHEDULE_DELIVERY_TIME)?
                    },
                    validity_period: if $strict {
                        reader.time(field::VALIDITY_PERIOD)?
                    } else {
                        reader.c_octets(field::VALIDITY_PERIOD)?
                    },
                    registered_delivery: RegisteredDelivery(reader.octet(field::REGISTERED_DELIVERY)?),
                    replace_if_present: reader
                        .octet_up_to(field::REPLACE_IF_PRESENT_FLAG, if $strict { 1 } else { 255 })?,
                    data_coding: DataCoding(reader.octet(field::DATA_CODING)?),
                    sm_default_msg_id: reader.octet(field::SM_DEFAULT_MSG_ID)?,
                    short_message: reader.short_message(field::SM_LENGTH)?,
                    tlvs: reader.tlvs()?,
                })
            }
        }

        impl Write for $name<'_> {
            #[inline]
            fn octets_max(&self) -> usize {
                // Numbers and NULs, two whole addresses, the header of a payload; then what has no fixed size.
                72 + self.service_type.len()
                    + self.schedule_delivery_time.len()
                    + self.validity_period.len()
                    + self.short_message.len()
                    + self.tlvs.as_bytes().len()
            }

            /// Appends the body. More than 255 octets of `short_message` are written as `message_payload`.
            #[inline]
            fn write(&self, out: &mut BytesMut) {
                put_c_octets(out, field::SERVICE_TYPE, self.service_type);
                put_address(out, &self.source);
                put_address(out, &self.destination);
                out.put_slice(&[self.esm_class.0, self.protocol_id, self.priority_flag]);
                put_c_octets(out, field::SCHEDULE_DELIVERY_TIME, self.schedule_delivery_time);
                put_c_octets(out, field::VALIDITY_PERIOD, self.validity_period);
                let (sm_length, short, payload): (u8, &[u8], &[u8]) =
                    match u8::try_from(self.short_message.len()) {
                        Ok(length) => (length, self.short_message, &[]),
                        Err(_) => (0, &[], self.short_message),
                    };
                out.put_slice(&[
                    self.registered_delivery.0,
                    self.replace_if_present,
                    self.data_coding.0,
                    self.sm_default_msg_id,
                    sm_length,
                ]);
                out.put_slice(short);
                if !payload.is_empty() {
                    super::tlv::put_octets(out, Tag::MESSAGE_PAYLOAD, payload);
                }
                out.put_slice(self.tlvs.as_bytes());
            }
        }

        /// Numbers are masked and the text is not shown.
        impl std::fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let shown = |octets: &[u8]| octets.escape_ascii().to_string();
                f.debug_struct(stringify!($name))
                    .field("service_type", &shown(self.service_type))
                    .field("source", &self.source)
                    .field("destination", &self.destination)
                    .field("esm_class", &self.esm_class)
                    .field("protocol_id", &self.protocol_id)
                    .field("priority_flag", &self.priority_flag)
                    .field("schedule_delivery_time", &shown(self.schedule_delivery_time))
                    .field("validity_period", &shown(self.validity_period))
                    .field("registered_delivery", &self.registered_delivery)
                    .field("replace_if_present", &self.replace_if_present)
                    .field("data_coding", &self.data_coding)
                    .field("sm_default_msg_id", &self.sm_default_msg_id)
                    .field("short_message_octets", &self.short_message.len())
                    .field("tlvs", &self.tlvs)
                    .finish()
            }
        }
    };
}

/// Defines an answer that carries a `message_id`.
macro_rules! message_id_body {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, Eq, PartialEq)]
        pub struct $name<'a> {
            /// The identifier, at most 64 octets.
            pub message_id: &'a [u8],
            /// Optional parameters, as far as they are well-formed.
            pub tlvs: Tlvs<'a>,
        }

        impl<'a> $name<'a> {
            pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
                Ok(Self {
                    message_id: reader.c_octets_or_rest(field::MESSAGE_ID)?,
                    tlvs: reader.tlvs_as_far_as_good(),
                })
            }
        }

        impl Write for $name<'_> {
            #[inline]
            fn octets_max(&self) -> usize {
                1 + self.message_id.len() + self.tlvs.as_bytes().len()
            }

            #[inline]
            fn write(&self, out: &mut BytesMut) {
                put_c_octets(out, field::MESSAGE_ID, self.message_id);
                out.put_slice(self.tlvs.as_bytes());
            }
        }

        impl std::fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("message_id", &self.message_id.escape_ascii().to_string())
                    .field("tlvs", &self.tlvs)
                    .finish()
            }
        }
    };
}

pub(crate) use {message_id_body, short_message_body};
