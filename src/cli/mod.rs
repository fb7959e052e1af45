//! The `trunkline` command: what it is asked, and its exit codes.
//!
//! 0: done. 1: it could not be done; why is on standard error. 2: it was asked wrongly, or the configuration is wrong.
//! 130: a second signal cut stopping short.

mod args;
mod ask;
mod client;
mod count;
mod list;
mod message;
mod pdu;
mod reload;
mod run;
mod simulate;
mod table;
mod webhooks;

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use self::args::{Args, Command};

/// Something could not be done.
const FAILED: u8 = 1;
/// It was asked wrongly, or the configuration is wrong.
const WRONG: u8 = 2;

/// Does what the command line asks.
pub fn main() -> ExitCode {
    match Args::parse().command {
        Command::Demo(demo) => run::demo(*demo),
        Command::Serve { config } => run::serve(&config),
        Command::Check { config } => run::check(&config),
        Command::Send(send) => message::send(&send),
        Command::Status(status) => message::status(&status),
        Command::Messages(asked) => list::messages(&asked),
        Command::Webhooks(asked) => webhooks::webhooks(&asked),
        Command::Reload(reload) => reload::reload(&reload),
        Command::DeadLetters(dead) => message::dead_letters(&dead),
        Command::Client(client) => client::run(&client),
        Command::Simulate(simulate) => simulate::run(simulate),
        Command::Count { text, json } => print(&count::render(&text, json)),
        Command::Pdu { hex, json } => match pdu::render(&hex.join(""), json) {
            Ok(report) => print(&report),
            Err(wrong) => fail(WRONG, wrong),
        },
    }
}

/// Prints to standard output. Whoever reads it may have gone, which is no failure.
fn print(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    ExitCode::SUCCESS
}

fn fail(code: u8, why: impl Display) -> ExitCode {
    eprintln!("trunkline: {why}");
    ExitCode::from(code)
}

/// An error with its causes, in one line.
fn whole(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", whole(cause)),
        None => error.to_string(),
    }
}
