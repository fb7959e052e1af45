//! Arguments, and the help that teaches them.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use super::simulate::Simulate;
use crate::app::demo::UpstreamUrl;
use crate::config::listen_address;
use crate::gateway::settings::Profile;

/// Trunkline: an SMS gateway that never loses an accepted message.
///
/// Applications hand messages over by SMPP 3.4 over TLS; they are on disk before they are acknowledged, go out to an SMSC,
/// and their receipts and the answers of mobiles come back.
#[derive(Debug, Parser)]
#[command(name = "trunkline", version, after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  trunkline demo                                    everything in one process, with a simulated SMSC; prints what to try
  trunkline check --config trunkline.toml           what is wrong with a configuration, before it is used
  trunkline serve --config trunkline.toml           the daemon
  trunkline send --to +33612345678 --text \"Hello\"   one message, through the running daemon
  trunkline status last --watch                     what became of it
  trunkline simulate timetochat                     a vendor to test against, with switches for what can go wrong
  trunkline count \"Déjà vu… 5 €\"                    what a text costs, and why
  trunkline pdu 00000010000000150000000000000001    what a PDU says";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Demo(Box<Demo>),
    /// Runs the daemon.
    ///
    /// The configuration is checked as by `trunkline check` before anything is opened. SIGTERM or Ctrl-C stops in order: no
    /// new binds, sessions are unbound, what is under way is waited for, the state is written; a second one ends at once.
    #[command(
        after_help = "Example:\n  trunkline serve --config /etc/trunkline/trunkline.toml\n\nA commented example of the configuration is trunkline.example.toml; every key is in docs/CONFIG.md."
    )]
    Serve {
        /// The configuration, in TOML.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Checks a configuration and says everything that is wrong with it.
    ///
    /// Each problem comes with file, line, key and remedy. Exit code 0: it can be used (warnings are printed); 2: it cannot.
    #[command(
        after_help = "Example:\n  trunkline check --config trunkline.toml && systemctl restart trunkline"
    )]
    Check {
        /// The configuration, in TOML.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    Send(Send),
    Status(Status),
    Messages(Messages),
    Webhooks(Webhooks),
    Reload(Reload),
    DeadLetters(DeadLetters),
    Client(Client),
    Simulate(Simulate),
    /// Shows what a text costs: alphabet, units, segments, and which characters made it dear.
    #[command(
        after_help = "Examples:\n  trunkline count \"Hello\"\n  trunkline count --json \"Déjà vu… 5 €\""
    )]
    Count {
        /// The text.
        text: String,
        /// One JSON object instead of lines.
        #[arg(long)]
        json: bool,
    },
    /// Shows what a PDU says, field by field; a broken one with the octet and the rule that it breaks.
    #[command(
        after_help = "Examples:\n  trunkline pdu 00000010 00000015 00000000 00000001\n  trunkline pdu --json \"$(cat captured.hex)\""
    )]
    Pdu {
        /// Hexadecimal digits; blanks, commas, colons and 0x mean nothing. Several PDUs may follow each other.
        #[arg(required = true)]
        hex: Vec<String>,
        /// JSON instead of lines.
        #[arg(long)]
        json: bool,
    },
}

/// Runs a gateway with everything that it needs, and prints what to try.
///
/// One process: the gateway, a simulated SMSC behind it on its own TLS socket (it answers, sends receipts, and writes back),
/// a self-signed certificate, and a service `demo`. Started again on the same --data-dir it goes on where it was, with the
/// same credentials.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trunkline demo
  trunkline demo --data-dir ./demo --profile timetochat
  trunkline demo --upstream 'smpps://us@smsc.example.com:3550?password_file=./pw&window=20&rate=20'
  trunkline demo --json --smpp-tls 127.0.0.1:0 --admin 127.0.0.1:0 --http 127.0.0.1:0    for scripts: the first line tells all

Port 0 picks a free port. An address that is left out is the usual port of 127.0.0.1, or a free one when that is taken.")]
pub(super) struct Demo {
    /// Where data is kept [default: a temporary directory, removed at the end].
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// Where SMPP over TLS is spoken [default: 127.0.0.1:5772].
    #[arg(long, value_name = "ADDR", value_parser = demo_address)]
    pub(super) smpp_tls: Option<SocketAddr>,
    /// Where SMPP without TLS is spoken [default: nowhere].
    #[arg(long, value_name = "ADDR", value_parser = demo_address)]
    pub(super) smpp_plain: Option<SocketAddr>,
    /// Where the HTTP façade listens [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR", value_parser = demo_address)]
    pub(super) http: Option<SocketAddr>,
    /// Without the HTTP façade: SMPP alone, and nothing is kept for readers over HTTP.
    #[arg(long, conflicts_with = "http")]
    pub(super) no_http: bool,
    /// Where metrics and the commands of this program are [default: 127.0.0.1:8081].
    #[arg(long, value_name = "ADDR", value_parser = demo_address)]
    pub(super) admin: Option<SocketAddr>,
    /// A real SMSC instead of the simulated one; several are tried in their order.
    ///
    /// smpp://user@host:port?password_file=…, or smpps:// for TLS. Further keys: window, sessions, rate (submits per second),
    /// ca (PEM file to trust), insecure (any certificate). A password may stand in the URL (user:password@), which other
    /// users of the machine can read.
    #[arg(long = "upstream", value_name = "URL")]
    pub(super) upstreams: Vec<UpstreamUrl>,
    /// Requests per second of the service; 0: no limit.
    #[arg(long, value_name = "N", default_value_t = crate::config::RATE)]
    pub(super) rate: u32,
    /// How the SMPP server behaves.
    #[arg(long, value_enum, default_value_t = ProfileName::Standard)]
    pub(super) profile: ProfileName,
    /// Prints one JSON object on the first line, once everything listens, and nothing else.
    #[arg(long)]
    pub(super) json: bool,
    /// What is logged to standard error: error, warn, info, debug, trace, or with modules.
    #[arg(long, value_name = "LEVEL", default_value = "warn", value_parser = crate::telemetry::check_level)]
    pub(super) log: String,
    /// Threads for sockets [default: 2, or 1 on one core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) threads: Option<u16>,
}

/// An address of the demo: `:0` is a port of this machine alone, for which the demo's certificate is made.
fn demo_address(text: &str) -> Result<SocketAddr, String> {
    match text.strip_prefix(':') {
        Some(port) => listen_address(&format!("127.0.0.1:{port}")),
        None => listen_address(text),
    }
}

/// The profiles by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ProfileName {
    /// A full SMPP 3.4 SMSC; the service takes any sender and any international destination.
    Standard,
    /// The TimeToChat connector to the letter.
    Timetochat,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Standard => Self::Standard,
            ProfileName::Timetochat => Self::TimeToChat,
        }
    }
}

/// Which daemon is meant.
#[derive(Debug, clap::Args)]
pub(super) struct Daemon {
    /// Its data directory [default: that of the daemon started last].
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) data_dir: Option<PathBuf>,
    /// Its admin listener, as http://127.0.0.1:8081; the token comes from --data-dir or $TRUNKLINE_ADMIN_TOKEN.
    #[arg(long, value_name = "URL", global = true)]
    pub(super) admin: Option<String>,
}

/// Sends one message through the running daemon.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trunkline send --to +33612345678 --text \"Hello\"
  trunkline send --to 0612345678 --from SHOP --service shop --text \"Your parcel is here\" --json

The id that is printed says what became of it: trunkline status ID")]
pub(super) struct Send {
    /// The recipient, international or national.
    #[arg(long, value_name = "NUMBER")]
    pub(super) to: String,
    /// The sender [default: the service's].
    #[arg(long, value_name = "SENDER")]
    pub(super) from: Option<String>,
    /// The text, in whatever alphabet it needs.
    #[arg(long)]
    pub(super) text: String,
    /// In whose name [default: the first service's].
    #[arg(long, value_name = "ID")]
    pub(super) service: Option<String>,
    #[command(flatten)]
    pub(super) daemon: Daemon,
    /// One JSON object instead of lines.
    #[arg(long)]
    pub(super) json: bool,
}

/// Shows where a message stands and what happened to it, or how everything stands.
///
/// Without an id: services, upstreams and webhooks with what they have done and what waits.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  trunkline status\n  trunkline status 66018af8c8ab4e0ca97532f1\n  trunkline status last --watch"
)]
pub(super) struct Status {
    /// The message's id, or `last` for the one that `trunkline send` sent last [default: none, an overview].
    pub(super) id: Option<String>,
    #[command(flatten)]
    pub(super) daemon: Daemon,
    /// One JSON object instead of lines.
    #[arg(long)]
    pub(super) json: bool,
    /// Shows what is new until the message is over.
    #[arg(long, requires = "id")]
    pub(super) watch: bool,
}

/// Lists messages of services that use HTTP, newest first.
///
/// All that is given has to hold. Services without a REST login, API key or webhook have no lists; `trunkline status ID` shows
/// any message.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trunkline messages
  trunkline messages --number 0612345678 --since 24h
  trunkline messages --service shop --state refused --limit 500 --json")]
pub(super) struct Messages {
    /// Only those of this service [default: of all].
    #[arg(long, value_name = "ID")]
    pub(super) service: Option<String>,
    /// Only those to this mobile, or from it with --incoming; international or national.
    #[arg(long, value_name = "NUMBER")]
    pub(super) number: Option<String>,
    /// Only those that stand so: waiting, dispatched, sent, delivered, refused, expired, cancelled, unknown.
    #[arg(long, value_name = "STATE")]
    pub(super) state: Option<String>,
    /// Only those with this reference of the client's.
    #[arg(long, value_name = "TEXT", conflicts_with = "incoming")]
    pub(super) reference: Option<String>,
    /// Those from mobiles instead of those to them.
    #[arg(long)]
    pub(super) incoming: bool,
    /// Only those since then: 30m, 24h, 7d ago, or a time as 2026-11-22T10:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(super) limit: u32,
    #[command(flatten)]
    pub(super) daemon: Daemon,
    /// One JSON object instead of a table.
    #[arg(long)]
    pub(super) json: bool,
}

/// Shows how webhooks stand, what they did not take, and tells them again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trunkline webhooks
  trunkline webhooks dead shop/push
  trunkline webhooks retry shop/push --watch
  trunkline webhooks replay shop/main --after 120345")]
pub(super) struct Webhooks {
    #[command(subcommand)]
    pub(super) command: Option<Webhook>,
    #[command(flatten)]
    pub(super) daemon: Daemon,
    /// JSON instead of lines.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Webhook {
    /// Lists what a webhook did not take: its dead letters.
    Dead {
        /// Its name: service/name.
        endpoint: String,
    },
    /// Tries the dead letters of a webhook again.
    Retry {
        /// Its name: service/name.
        endpoint: String,
        /// Shows progress until nothing waits for it.
        #[arg(long)]
        watch: bool,
    },
    /// Tells a webhook again all that happened after an event.
    Replay {
        /// Its name: service/name.
        endpoint: String,
        /// The event's number, as it stood in the call or the stream (its id).
        #[arg(long, value_name = "CURSOR")]
        after: u64,
        /// Shows progress until nothing waits for it.
        #[arg(long)]
        watch: bool,
    },
}

/// Makes the daemon read its configuration again.
///
/// All of it is checked first: what is wrong is listed with file, line, key and remedy, and nothing changes (exit code 2).
/// Otherwise certificates, services, upstreams, routes and rules are swapped; sessions of what stays go on. What holds after
/// a restart only is named. SIGHUP does the same, with the answer in the log.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  trunkline reload --data-dir /var/lib/trunkline\n  trunkline reload --json"
)]
pub(super) struct Reload {
    #[command(flatten)]
    pub(super) daemon: Daemon,
    /// One JSON object instead of lines.
    #[arg(long)]
    pub(super) json: bool,
}

/// Lists receipts and incoming messages that their application did not take, or tries them again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  trunkline dead-letters\n  trunkline dead-letters --revive shop")]
pub(super) struct DeadLetters {
    /// Tries those of this service again.
    #[arg(long, value_name = "SERVICE")]
    pub(super) revive: Option<String>,
    #[command(flatten)]
    pub(super) daemon: Daemon,
    /// JSON instead of lines.
    #[arg(long)]
    pub(super) json: bool,
}

/// Binds as an SMPP client, sends one message and shows what comes back.
///
/// A small ESME for trying a server, ours or another: it binds as a transceiver, submits, and prints each PDU with a word on
/// it, until --wait is over or the receipt and a message from the mobile have come.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trunkline client --connect 127.0.0.1:5772 --ca demo-ca.pem --user demo --password-file demo.password \\
      --from 33930000000 --to 33612345678 --text \"Hello\"
  trunkline client --connect 127.0.0.1:2775 --plain --user demo --password-file demo.password --wait 60    only listens")]
pub(super) struct Client {
    /// Host and port of the SMSC.
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) connect: String,
    /// Certificate to trust, in PEM [default: the public ones].
    #[arg(long, value_name = "FILE", conflicts_with = "plain")]
    pub(super) ca: Option<PathBuf>,
    /// No TLS.
    #[arg(long)]
    pub(super) plain: bool,
    /// system_id.
    #[arg(long)]
    pub(super) user: String,
    /// File with the password in its first line.
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: PathBuf,
    /// The sender.
    #[arg(long, default_value = "")]
    pub(super) from: String,
    /// The recipient; without it nothing is sent.
    #[arg(long, requires = "text")]
    pub(super) to: Option<String>,
    /// The text.
    #[arg(long, requires = "to")]
    pub(super) text: Option<String>,
    /// Seconds to wait for what comes.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(super) wait: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_fit_together() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_command_has_a_help_with_an_example() {
        for command in Args::command().get_subcommands() {
            let help = command.clone().render_long_help().to_string();
            assert!(
                help.contains("Example") && help.contains("trunkline "),
                "{}:\n{help}",
                command.get_name()
            );
        }
    }

    #[test]
    fn demo_takes_the_options_that_scripts_use() {
        let args = "trunkline demo --json --rate 0 --data-dir /tmp/x --http 127.0.0.1:0 --admin :0 --smpp-tls localhost:0 \
                    --smpp-plain 127.0.0.1:0 --upstream smpp://a:b@127.0.0.1:1?window=10&sessions=2 --profile timetochat";
        let args = Args::try_parse_from(args.split_whitespace()).expect("they are right");
        let Command::Demo(demo) = args.command else { panic!("the demo") };
        assert!(demo.json && demo.upstreams.len() == 1 && demo.rate == 0);
        assert_eq!(demo.admin.map(|addr| addr.to_string()).as_deref(), Some("127.0.0.1:0"));
        assert!(
            Args::try_parse_from(["trunkline", "demo", "--upstream", "smpp://a@h:1"]).is_err(),
            "no password"
        );
        assert!(Args::try_parse_from(["trunkline", "demo", "--admin", "8081"]).is_err(), "no address");
    }
}
