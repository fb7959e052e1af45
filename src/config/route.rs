//! `[[route]]` and `[[mo_route]]`: which way messages go.

use super::Context;
use super::problem::Place;
use super::read::Section;
use crate::gateway::settings::{MoRoute, Route, normalise};

/// A name that a route uses, to be looked up when all sections are read.
pub(super) struct Mention {
    pub(super) place: Place,
    pub(super) key: String,
    pub(super) name: String,
}

/// What the routes refer to.
#[derive(Default)]
pub(super) struct Mentions {
    pub(super) services: Vec<Mention>,
    pub(super) upstreams: Vec<Mention>,
}

impl Mentions {
    fn mention(section: &Section<'_>, key: &str, name: &str) -> Mention {
        Mention {
            place: section.place_of(key),
            key: format!("{}.{key}", section.name),
            name: name.to_owned(),
        }
    }
}

pub(super) fn read(mut section: Section<'_>, context: &Context<'_>, mentions: &mut Mentions) -> Route {
    let service = section.text("service");
    if let Some(service) = &service {
        mentions.services.push(Mentions::mention(&section, "service", service));
    }
    let upstreams = section.list("upstreams").unwrap_or_default();
    if upstreams.is_empty() {
        section.refuse(
            "upstreams",
            "names no upstream",
            "list ids of upstreams, best first: upstreams = [\"carrier\"]",
        );
    }
    for upstream in &upstreams {
        mentions.upstreams.push(Mentions::mention(&section, "upstreams", upstream));
    }
    let route = Route {
        service,
        sender: prefix(&section.text("sender").unwrap_or_default(), &context.country),
        destination: prefix(&section.text("destination").unwrap_or_default(), &context.country),
        upstreams,
    };
    section.end();
    route
}

pub(super) fn read_mo(mut section: Section<'_>, context: &Context<'_>, mentions: &mut Mentions) -> MoRoute {
    let upstream = section.text("upstream");
    if let Some(upstream) = &upstream {
        mentions.upstreams.push(Mentions::mention(&section, "upstream", upstream));
    }
    let service = section.required_text("service", "shop");
    if !service.is_empty() {
        mentions.services.push(Mentions::mention(&section, "service", &service));
    }
    let number = section.text("number");
    let begins = section.text("prefix");
    if number.is_some() && begins.is_some() {
        section.refuse("prefix", "there is a number as well", "keep one of the two");
    }
    let route = MoRoute {
        upstream,
        exact: number.is_some(),
        number: match number {
            Some(number) => normalise(&number, &context.country),
            None => prefix(&begins.unwrap_or_default(), &context.country),
        },
        service,
    };
    section.end();
    route
}

/// A beginning of a number, in the form that whole numbers are compared in. A national beginning is one too.
fn prefix(written: &str, country: &str) -> String {
    let is_number = |rest: &str| rest.bytes().all(|c| c.is_ascii_digit());
    if let Some(rest) = written.strip_prefix('+').or_else(|| written.strip_prefix("00"))
        && is_number(rest)
    {
        return rest.to_owned();
    }
    match written.strip_prefix('0') {
        Some(rest) if is_number(rest) => format!("{country}{rest}"),
        _ => written.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::prefix;

    #[test]
    fn a_prefix_is_written_like_a_number() {
        for (written, compared) in [
            ("+33", "33"),
            ("0033", "33"),
            ("06", "336"),
            ("33", "33"),
            ("", ""),
            ("SHOP", "SHOP"),
            ("+", ""),
        ] {
            assert_eq!(prefix(written, "33"), compared, "{written}");
        }
    }
}
