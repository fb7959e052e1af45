//! The description of the REST methods. Its shapes are only described here; `vendor::timetochat` reads and writes them.
#![expect(dead_code, reason = "described, never made")]

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, HeaderBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Type};
use utoipa::{OpenApi as _, ToSchema};

use super::{login, read, send};

/// What a token is asked for with.
#[derive(ToSchema)]
#[schema(as = Password)]
pub(super) struct PasswordBody {
    /// The service's password.
    #[schema(min_length = 1, example = "12a34b56c")]
    password: String,
}

/// A token.
#[derive(ToSchema)]
#[schema(as = Token)]
pub(super) struct TokenBody {
    /// A JWT, for `Authorization: Bearer …`.
    #[schema(
        example = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzZXJ2aWNlX2lkIjoiNjk2OTY5IiwiaWF0IjoxNTM4NDYzMjY2LCJleHAiOjE1Mzg0NjUwNjZ9.c2lnbmF0dXJl"
    )]
    token: String,
}

/// One SMS to send.
#[derive(ToSchema)]
#[schema(
    as = Sms,
    example = json!({
        "from": "0930000000", "to": "0601020304", "extRef": "123456", "text": "Test MUG", "unicode": false, "flash": false,
    })
)]
pub(super) struct SendBody {
    /// The recipient: `06`/`07` and 8 digits, or `+` and 8 to 15 digits.
    #[schema(pattern = r"^(0[67][0-9]{8}|\+[1-9][0-9]{7,14})$", example = "0601020304")]
    to: String,
    /// The text: at most 1,224 GSM units, or 528 UCS-2 units.
    #[schema(min_length = 1, max_length = 1224, example = "Test MUG")]
    text: String,
    /// The sender: one of the service's numbers, national or international.
    #[schema(min_length = 1, example = "0930000000")]
    from: String,
    /// Your reference. It comes back in reports as `ref_externe`.
    #[serde(rename = "extRef")]
    #[schema(max_length = 150, example = "123456")]
    ext_ref: Option<String>,
    /// Until when to try: ISO 8601, UTC, in the future; what is beyond a week is cut.
    #[serde(rename = "validityDate")]
    #[schema(format = DateTime, example = "2027-12-27T09:06:22.620Z")]
    validity_date: Option<String>,
    /// Send as UCS-2. Without it, a text that GSM 03.38 does not hold goes as UCS-2 all the same, unless the service has it
    /// otherwise.
    #[schema(default = false)]
    unicode: Option<bool>,
    /// Class 0: shown at once, not stored.
    #[schema(default = false)]
    flash: Option<bool>,
}

/// An SMS that was accepted.
#[derive(ToSchema)]
#[schema(as = Accepted)]
pub(super) struct SentBody {
    /// Its id.
    #[schema(pattern = "^[0-9a-f]{24}$", example = "5bc9a8751a34791aff429efe")]
    id: String,
    /// Your reference, if you gave one.
    #[serde(rename = "extRef")]
    #[schema(nullable = false, example = "123456")]
    ext_ref: Option<String>,
}

/// An SMS and what happened to it.
#[derive(ToSchema)]
#[schema(
    as = Message,
    example = json!({
        "from": "0930000000", "to": "0601020304", "text": "Test TimeToChat", "unicode": false, "flash": false,
        "id": "5bb5bdce911ea924bddaa243", "date": "2023-10-04T07:14:22.000Z",
        "history": [
            { "date": "2023-10-04T07:14:22.000Z", "status": "NEW" },
            { "part": "1/2", "date": "2023-10-04T07:14:23.000Z", "status": "SENT" },
            { "part": "2/2", "date": "2023-10-04T07:14:23.000Z", "status": "SENT" },
            { "part": "1/2", "date": "2023-10-04T07:14:24.000Z", "status": "RECEIVED" },
            { "part": "2/2", "date": "2023-10-04T07:14:24.000Z", "status": "RECEIVED" },
        ],
    })
)]
pub(super) struct MessageBody {
    /// The sender.
    from: String,
    /// The recipient, as it was written.
    to: String,
    /// The text.
    text: String,
    /// It goes as UCS-2.
    unicode: bool,
    /// Class 0.
    flash: bool,
    /// Its id.
    #[schema(pattern = "^[0-9a-f]{24}$")]
    id: String,
    /// Your reference, if you gave one.
    #[serde(rename = "extRef")]
    #[schema(nullable = false)]
    ext_ref: Option<String>,
    /// When it was accepted.
    #[schema(format = DateTime)]
    date: String,
    /// What happened, oldest first.
    #[schema(min_items = 1)]
    history: Vec<StepBody>,
}

/// A state of an SMS, or of one of its segments.
#[derive(ToSchema)]
#[schema(as = Step)]
pub(super) struct StepBody {
    /// Which segment, `n/total`; absent for `NEW` and if there is only one.
    #[schema(nullable = false, pattern = "^[0-9]+/[0-9]+$", example = "1/2")]
    part: Option<String>,
    /// When.
    #[schema(format = DateTime)]
    date: String,
    /// `NEW`, `SENT`, `RECEIVED` or an error: `ERROR`, `OPINVALID`, `BLACKLIST`, `OPBLACKLIST`, `INVALIDFROM`, `WRONGNUMBER`,
    /// `FALSENUMBER`, `OPERROR`, `OPFAILURE`, `OPFULL`, `COUNTRY`, `FULLSIM`, `LOTOFMSG`, `REJECTED`, `BLOCKED`. Services that
    /// want it so get `CRA_SMS_` before all but `NEW`.
    #[schema(example = "RECEIVED")]
    status: String,
}

/// Why something was not done.
#[derive(ToSchema)]
#[schema(as = Error)]
pub(super) struct ErrorBody {
    /// For programs.
    #[schema(example = "AUTHENTICATION_FAILED")]
    code: String,
    /// For people.
    #[schema(nullable = false)]
    message: Option<String>,
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "MUG",
        version = "V1",
        description = "SMS one by one, as TimeToChat has it: ask for a token, send, read the status. 20 calls per second for \
                       the three methods together unless agreed otherwise.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(login::token, send::send, read::read),
    tags((name = "MUG", description = "Messages Unitaires Garantis")),
    components(schemas(ErrorBody)),
)]
struct Frame;

/// The whole description.
#[must_use]
pub fn openapi() -> OpenApi {
    let mut all = Frame::openapi();
    let token = Http::builder()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("What the token method gave."));
    all.components
        .get_or_insert_default()
        .security_schemes
        .insert("token".into(), SecurityScheme::Http(token.build()).into());
    all.paths.paths.values_mut().flat_map(operations).for_each(complete);
    all
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post].into_iter().flatten()
}

/// What every call may be told, besides what its handler says of itself.
fn complete(operation: &mut Operation) {
    let mut may = vec![
        (
            "429",
            "More calls than the rate; `Retry-After` says when",
            "TOO_MANY_REQUEST",
            Some("Too many request"),
        ),
        ("503", "Not possible just now; `Retry-After` says when", "SERVICE_UNAVAILABLE", None),
    ];
    if operation.request_body.is_some() {
        may.push(("408", "The body does not come", "TIMEOUT", Some("the body took too long")));
        may.push(("413", "The body is too large", "BODY_TOO_LARGE", Some("the body is larger than is read")));
    }
    for (status, what, code, message) in may {
        let mut example = serde_json::json!({ "code": code });
        if let Some(message) = message {
            example["message"] = message.into();
        }
        let body =
            Content::builder().schema(Some(Ref::from_schema_name("Error"))).example(Some(example)).build();
        let mut response = ResponseBuilder::new().description(what).content("application/json", body);
        if matches!(status, "429" | "503") {
            let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
            let header = HeaderBuilder::new()
                .schema(Some(seconds.build()))
                .description(Some("Seconds to wait."))
                .build();
            response = response.header("Retry-After", header);
        }
        operation.responses.responses.insert(status.into(), RefOr::T(response.build()));
    }
}
