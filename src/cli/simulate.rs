//! `trunkline simulate`: a vendor on this machine, for trying and testing against.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::run::{in_runtime, no_signals};
use super::{WRONG, fail, print, whole};
use crate::app;
use crate::clock::Clock;
use crate::config::{listen_address, read_secret_file};
use crate::net::tls::{Identity, server_config};
use crate::pdu::Tag;
use crate::sim::timetochat::{self, BASE, Config, ENDINGS, REFERENCE_TAG, Switches};
use crate::telemetry;
use crate::vendor::timetochat::{CALLS_PER_SECOND, TOKEN_SECONDS, Vocabulary};

/// Runs a vendor's side on this machine, to try and test applications and gateways against.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  trunkline simulate timetochat                         prints what to try
  trunkline simulate timetochat --help                  its switches and numbers")]
pub(super) struct Simulate {
    #[command(subcommand)]
    vendor: Vendor,
}

#[derive(Debug, Subcommand)]
enum Vendor {
    Timetochat(Box<TimeToChat>),
}

/// SFR TimeToChat (MUG): REST API, Push_CRA and SMPP connector.
///
/// An account with a service id and a password, as the vendor gives. Messages sent over REST or SMPP go through their states
/// and are reported; mobiles write when told to. What can go wrong is switched on at the start (--set) or while it runs
/// (POST /_sim/set). Nothing leaves this machine but pushes to --push.
///
/// Invented, because the vendor's document does not say it: error codes other than AUTHENTICATION_FAILED, the status 429 for
/// "Too many request", 404 for unknown messages, the TLV of external_reference, the answer to bind_receiver, the numbers
/// below, all switches, and everything under /_sim.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help())]
struct TimeToChat {
    /// Where the REST API listens, and /_sim. It asks nobody who they are: keep it on loopback.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8085", value_parser = listen_address)]
    listen: SocketAddr,
    /// Where the SMPP connector listens [default: nowhere]. Port 0 picks a free one.
    #[arg(long, value_name = "ADDR", value_parser = listen_address)]
    smpp: Option<SocketAddr>,
    /// Certificate chain in PEM: TLS for REST and SMPP, as the vendor has it [default: plain].
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its key in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The service id, and the connector's system_id.
    #[arg(long, value_name = "ID", default_value = "123456")]
    service: String,
    /// File with the password in its first line [default: one is made and printed].
    #[arg(long, value_name = "FILE", conflicts_with = "password_env")]
    password_file: Option<PathBuf>,
    /// Variable of the environment that holds the password.
    #[arg(long, value_name = "NAME")]
    password_env: Option<String>,
    /// A sender that may be used; several are given by repeating it [default: 0930000000].
    #[arg(long = "sender", value_name = "NUMBER")]
    senders: Vec<String>,
    /// Where Push_CRA are posted [default: nowhere].
    #[arg(long, value_name = "URL")]
    push: Option<String>,
    /// How states are spelled.
    #[arg(long, value_enum, default_value_t = Spelling::Short)]
    vocabulary: Spelling,
    /// Calls per second of the three REST methods together, and of SMPP; 0: no limit.
    #[arg(long, value_name = "N", default_value_t = CALLS_PER_SECOND)]
    rate: u32,
    /// Seconds that a token holds.
    #[arg(long, value_name = "SECONDS", default_value_t = TOKEN_SECONDS)]
    token_seconds: u64,
    /// The TLV of the client's reference on SMPP.
    #[arg(long, value_name = "TAG", default_value_t = format!("{:#06x}", REFERENCE_TAG.0))]
    reference_tlv: String,
    /// What is left to chance is the same again for the same seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// A switch at the start, as NAME=VALUE; several are given by repeating it.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    switches: Vec<String>,
    /// Prints one JSON object on the first line, once everything listens, and nothing else.
    #[arg(long)]
    json: bool,
    /// What is logged to standard error: error, warn, info, debug, trace, or with modules.
    #[arg(long, value_name = "LEVEL", default_value = "warn", value_parser = crate::telemetry::check_level)]
    log: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Spelling {
    /// SENT, RECEIVED.
    Short,
    /// CRA_SMS_SENT, CRA_SMS_RECEIVED.
    Long,
}

const EXAMPLES: &str = "\
Examples:
  trunkline simulate timetochat
  trunkline simulate timetochat --push http://127.0.0.1:8080/hooks/timetochat/SECRET --smpp 127.0.0.1:5773
  trunkline simulate timetochat --set report_lost=1/3 --set 'fault_send_after=10% hang' --seed 7

--help tells the switches and the numbers.";

/// The switches with their values at the start, and the numbers.
fn long_help() -> String {
    let mut help = format!("{EXAMPLES}\n\nSwitches (--set, or POST /_sim/set), as they are at the start:\n");
    for (name, value) in Switches::default().to_json() {
        let _ =
            writeln!(help, "  {name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    help.push_str(
        "\nHow often: off, always, 1/3 (every third), 25% (by the seed), `next 2` (the next two). A fault_ has a way after it:\n\
         a status from 400 to 599, `hang` (no answer for hang_ms, then cut) or `cut`; without one, 503.\n\n",
    );
    help.push_str(ENDINGS);
    help
}

/// Runs what was asked for until it is told to stop.
pub(super) fn run(args: Simulate) -> ExitCode {
    match args.vendor {
        Vendor::Timetochat(args) => timetochat(*args),
    }
}

fn timetochat(args: TimeToChat) -> ExitCode {
    telemetry::install_log(&telemetry::Config { level: args.log.clone(), format: telemetry::Format::Text });
    let json = args.json;
    let (config, password) = match configure(&args) {
        Ok(configured) => configured,
        Err(why) => return fail(WRONG, why),
    };
    in_runtime(THREADS, async move {
        let signals = app::signals().map_err(no_signals)?;
        let told = Told {
            service: config.service.clone(),
            password,
            sender: config.switches.senders.first().cloned().unwrap_or_default(),
            push: config.switches.push_url.clone(),
            ca: args.tls_cert,
        };
        let running = timetochat::start(config, Clock::system());
        let running =
            running.await.map_err(|error| format!("the simulator cannot listen: {}", whole(&error)))?;
        let (rest, smpp) = (running.rest, running.smpp);
        print(&if json { told.to_json(rest, smpp) } else { told.to_lines(rest, smpp) });
        signals.stopped().await;
        running.stop().await;
        Ok(())
    })
}

fn configure(args: &TimeToChat) -> Result<(Config, Password), String> {
    let (secret, password) = match (&args.password_file, &args.password_env) {
        (Some(path), _) => {
            let secret = read_secret_file(path)?.secret.reveal().to_owned();
            (secret, Password::File(path.clone()))
        }
        (None, Some(name)) => match std::env::var(name) {
            Ok(secret) if !secret.is_empty() => (secret, Password::Variable(name.clone())),
            Ok(_) | Err(_) => return Err(format!("the environment has no {name}")),
        },
        (None, None) => {
            let made = made_password()?;
            (made.clone(), Password::Made(made))
        }
    };
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => {
            let identity = Identity::read(certificate, key).map_err(|error| whole(&error))?;
            Some(Arc::clone(&server_config(&identity).map_err(|error| whole(&error))?))
        }
        _ => None,
    };
    let mut switches = Switches {
        vocabulary: match args.vocabulary {
            Spelling::Short => Vocabulary::Short,
            Spelling::Long => Vocabulary::Long,
        },
        rate: args.rate,
        token_seconds: args.token_seconds,
        push_url: args.push.clone(),
        ..Switches::default()
    };
    if !args.senders.is_empty() {
        switches.senders.clone_from(&args.senders);
    }
    for written in &args.switches {
        switches = switches.with_written(written)?;
    }
    let digits = args.reference_tlv.trim_start_matches("0x");
    let tag = u16::from_str_radix(digits, 16).map_err(|_| format!("{} is no TLV tag", args.reference_tlv))?;
    let config = Config {
        listen: args.listen,
        smpp: args.smpp,
        tls,
        reference_tag: Tag(tag),
        seed: args.seed,
        switches,
        ..Config::loopback(&args.service, &secret)
    };
    Ok((config, password))
}

/// Where the password is to be had.
enum Password {
    File(PathBuf),
    Variable(String),
    /// Made for this start, and so printed.
    Made(String),
}

/// Eight characters, as many as an SMPP password may have.
fn made_password() -> Result<String, String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut chance = [0; 8];
    aws_lc_rs::rand::fill(&mut chance).map_err(|_| "the system gives no random octets".to_owned())?;
    Ok(chance.iter().map(|octet| char::from(LETTERS[usize::from(octet & 31)])).collect())
}

struct Told {
    service: String,
    password: Password,
    sender: String,
    push: Option<String>,
    ca: Option<PathBuf>,
}

impl Told {
    fn to_json(&self, rest: SocketAddr, smpp: Option<SocketAddr>) -> String {
        let made = match &self.password {
            Password::Made(made) => Some(made),
            Password::File(_) | Password::Variable(_) => None,
        };
        let told = json!({
            "base_url": self.base_url(rest),
            "control_url": format!("{}/_sim", self.root(rest)),
            "smpp": smpp,
            "service_id": self.service,
            "system_id": self.service,
            // One that was given is not told again.
            "password": made,
            "sender": self.sender,
            "push": self.push,
        });
        format!("{told}\n")
    }

    /// Lines that work when pasted.
    fn to_lines(&self, rest: SocketAddr, smpp: Option<SocketAddr>) -> String {
        let (root, base, service) = (self.root(rest), self.base_url(rest), &self.service);
        let trust = self.ca.as_deref().map(|ca| format!(" --cacert {}", shown(ca))).unwrap_or_default();
        let password = match &self.password {
            Password::File(path) => format!("\"$(head -n 1 {})\"", shown(path)),
            Password::Variable(name) => format!("\"${name}\""),
            Password::Made(made) => made.clone(),
        };
        let mut lines = vec![
            "TimeToChat is simulated; only pushes leave this process.".to_owned(),
            String::new(),
            format!("  REST     {base}"),
        ];
        lines.extend(smpp.map(|smpp| format!("  SMPP     {smpp}    system_id: {service}")));
        lines.extend([
            format!("  service  {service}    password: {password}    sender: {}", self.sender),
            format!("  pushes   {}", self.push.as_deref().unwrap_or("nowhere (--push URL, or POST /_sim/set)")),
            format!("  control  {root}/_sim    (invented, as all that the vendor's document leaves open)"),
            String::new(),
            "Try, in another terminal:".to_owned(),
            String::new(),
            "  # a token, a message, what became of it".to_owned(),
            format!("  P={password}; T=$(curl -s{trust} {base}/services/{service}/token -H 'Content-Type: application/json' -d '{{\"password\":\"'\"$P\"'\"}}' | cut -d'\"' -f4)"),
            format!("  M=$(curl -s{trust} {base}/services/{service}/messages -H \"Authorization: Bearer $T\" -H 'Content-Type: application/json' -d '{{\"from\":\"{}\",\"to\":\"0601020304\",\"text\":\"Hello\",\"extRef\":\"abc123\"}}' | cut -d'\"' -f4)", self.sender),
            format!("  curl -s{trust} {base}/services/{service}/messages/$M -H \"Authorization: Bearer $T\""),
            "  # a mobile writes; a third of the reports get lost; what there is".to_owned(),
            format!("  curl -s{trust} {root}/_sim/mo -d '{{\"mobile\":\"+33601020304\",\"text\":\"Merci\"}}'"),
            format!("  curl -s{trust} {root}/_sim/set -d '{{\"report_lost\":\"1/3\"}}'"),
            format!("  curl -s{trust} {root}/_sim"),
            String::new(),
            "Numbers that end in 9901 to 9933 fail or answer in their own ways: trunkline simulate timetochat --help"
                .to_owned(),
            "Ctrl-C stops.".to_owned(),
            String::new(),
        ]);
        lines.join("\n")
    }

    fn root(&self, rest: SocketAddr) -> String {
        let scheme = if self.ca.is_some() { "https" } else { "http" };
        format!("{scheme}://{rest}")
    }

    fn base_url(&self, rest: SocketAddr) -> String {
        format!("{}{BASE}", self.root(rest))
    }
}

/// A path for a shell.
fn shown(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// For sockets; it is not made for speed.
const THREADS: usize = 2;

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        simulate: Simulate,
    }

    fn parse(line: &str) -> Result<TimeToChat, String> {
        let parsed = Only::try_parse_from(line.split_whitespace()).map_err(|error| error.to_string())?;
        let Vendor::Timetochat(args) = parsed.simulate.vendor;
        Ok(*args)
    }

    #[test]
    fn options_become_switches_and_set_has_the_last_word() {
        let line = "x timetochat --push http://127.0.0.1:1/ --vocabulary long --rate 5 --sender 0930000001 --sender Mug \
                    --set rate=0 --set report_lost=1/3 --reference-tlv 0x1444";
        let (config, password) = configure(&parse(line).expect("they are right")).expect("they fit");
        assert!(matches!(&password, Password::Made(made) if config.password.octets() == made.as_bytes()));
        let switches = config.switches;
        assert_eq!((switches.rate, switches.vocabulary), (0, Vocabulary::Long));
        assert_eq!(switches.senders, ["0930000001", "Mug"]);
        assert_eq!(switches.push_url.as_deref(), Some("http://127.0.0.1:1/"));
        assert_eq!(config.reference_tag, Tag(0x1444));
        for wrong in ["--set rates=1", "--password-env TRUNKLINE_NOT_SET", "--reference-tlv x"] {
            let args = parse(&format!("x timetochat {wrong}")).expect("clap does not mind");
            assert!(configure(&args).is_err(), "{wrong}");
        }
        assert!(parse("x timetochat --password secret").is_err(), "a password never stands there");
    }

    #[test]
    fn a_password_that_was_given_is_not_printed() {
        let told = |password| Told {
            service: "123456".to_owned(),
            password,
            sender: "0930000000".to_owned(),
            push: None,
            ca: None,
        };
        let rest = SocketAddr::from(([127, 0, 0, 1], 8085));
        let file = told(Password::File("/etc/it's".into()));
        assert!(file.to_lines(rest, None).contains(r#""$(head -n 1 '/etc/it'\''s')""#));
        assert!(file.to_json(rest, None).contains("\"password\":null"));
        let made = told(Password::Made("abc".to_owned()));
        assert!(made.to_lines(rest, Some(rest)).contains("P=abc;"));
        assert!(made.to_json(rest, None).contains("\"base_url\":\"http://127.0.0.1:8085/mug/api/V1\""));
    }

    #[test]
    fn the_long_help_names_every_switch() {
        let help = long_help();
        for name in Switches::default().to_json().keys() {
            assert!(help.contains(&format!("  {name}=")), "{name}");
        }
    }
}
