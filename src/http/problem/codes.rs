//! The stable codes of problems, and what each means. `/docs/problems` shows this list.

/// Code and title of every kind of problem, in the order of their codes.
pub(crate) const CODES: &[(&str, &str)] = &[
    ("address_not_allowed", "The key may not be used from this address"),
    ("already_ended", "The message has ended already"),
    ("already_left", "The message has left already"),
    ("blacklist_full", "Too many numbers are blocked"),
    ("cursor_too_old", "What follows the cursor is not kept any more"),
    ("destination", "The number cannot be sent to"),
    ("disk", "The disk is below its reserve"),
    ("forbidden", "The key lacks a scope"),
    ("idempotency_in_progress", "A request with this Idempotency-Key is being handled"),
    ("idempotency_key_reused", "The Idempotency-Key was used with another body"),
    ("internal", "Something went wrong here"),
    ("invalid", "The request has faults"),
    ("json", "The body is not JSON"),
    ("key_expired", "The key is not valid any more"),
    ("length", "The text is empty or too long"),
    ("method_not_allowed", "The method is not allowed here"),
    ("monthly_limit", "The month's segments are used up"),
    ("no_configuration", "There is no configuration file"),
    ("no_route", "No route leads to the number"),
    ("not_found", "There is no such thing"),
    ("queue_full", "Too many messages wait already"),
    ("rate_limit", "Too many requests"),
    ("schedule", "The scheduled time cannot be kept"),
    ("sender", "The sender is not allowed"),
    ("service", "There is no such service"),
    ("service_ended", "The service has ended"),
    ("streams_full", "Too many event streams are open"),
    ("timeout", "The answer took too long"),
    ("too_large", "The body is too large"),
    ("unauthorized", "A key is needed"),
    ("unavailable", "Not possible just now"),
    ("unsupported_media_type", "The body has to be application/json"),
    ("validity", "The validity is over already"),
];

/// The title that goes with a code.
pub(crate) fn title(code: &str) -> Option<&'static str> {
    let at = CODES.binary_search_by(|(known, _)| known.cmp(&code)).ok()?;
    CODES.get(at).map(|(_, title)| *title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_found() {
        assert!(CODES.is_sorted_by(|(a, _), (b, _)| a < b));
        assert!(CODES.iter().all(|(code, title_of)| title(code) == Some(*title_of)));
        assert_eq!(title("nonsense"), None);
    }
}
