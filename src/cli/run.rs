//! `demo`, `serve` and `check`: the commands that read a configuration or stay.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::args::Demo;
use super::{FAILED, WRONG, fail, print, whole};
use crate::app::{self, demo};
use crate::clock::Clock;
use crate::config::{self, Loaded};
use crate::telemetry;

pub(super) fn check(path: &Path) -> ExitCode {
    match config::load(path) {
        Ok(Loaded { settings, warnings, .. }) => {
            for warning in &warnings {
                eprintln!("warning: {warning}");
            }
            let gateway = &settings.gateway;
            print(&format!(
                "{}: good: {} service(s), {} upstream(s), {} route(s), {} MO route(s), {} warning(s)\n",
                path.display(),
                gateway.services.len(),
                gateway.upstreams.len(),
                gateway.routes.len(),
                gateway.mo_routes.len(),
                warnings.len(),
            ))
        }
        Err(problems) => {
            let count = problems.0.len();
            eprintln!("{problems}");
            fail(WRONG, format!("{}: {count} problem(s)", path.display()))
        }
    }
}

pub(super) fn serve(path: &Path) -> ExitCode {
    let Loaded { settings, warnings, .. } = match config::load(path) {
        Ok(loaded) => loaded,
        Err(problems) => {
            eprintln!("{problems}");
            return fail(WRONG, format!("{} cannot be used; nothing was started", path.display()));
        }
    };
    telemetry::install_log(&settings.log);
    for warning in &warnings {
        tracing::warn!(place = %warning.place, key = warning.key, remedy = warning.remedy, "{}", warning.what);
    }
    in_runtime(settings.process.threads, async {
        let signals = app::signals().map_err(no_signals)?;
        let running = app::start(settings, Clock::system()).await.map_err(|error| whole(&error))?;
        running.reload_until_stopped(path, &signals).await;
        running.stop().await;
        Ok(())
    })
}

pub(super) fn demo(args: Demo) -> ExitCode {
    telemetry::install_log(&telemetry::Config { level: args.log, format: telemetry::Format::Text });
    if args.upstreams.iter().any(|upstream| upstream.has_open_password) {
        eprintln!(
            "warning: a password in the URL can be read by other users of this machine; use ?password_file=… instead"
        );
    }
    let threads = args.threads.map_or_else(config::usual_threads, usize::from);
    let options = demo::Options {
        data_dir: args.data_dir,
        smpp_tls: args.smpp_tls,
        smpp_plain: args.smpp_plain,
        http: args.http,
        no_http: args.no_http,
        admin: args.admin,
        upstreams: args.upstreams,
        rate: args.rate,
        profile: args.profile.into(),
        threads,
    };
    let json = args.json;
    in_runtime(threads, async move {
        let signals = app::signals().map_err(no_signals)?;
        let demo = demo::start(options, Clock::system()).await.map_err(|error| whole(&error))?;
        let text = if json {
            format!("{}\n", demo.told.to_json())
        } else {
            // Only what cannot leave this machine is sent unasked.
            let first = if demo.told.is_simulated { demo.send_first().await.ok() } else { None };
            demo.told.to_lines(&program(), first)
        };
        let mut out = std::io::stdout();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        signals.stopped().await;
        demo.stop().await;
        Ok(())
    })
}

pub(super) fn no_signals(error: std::io::Error) -> String {
    format!("signals cannot be listened for: {error}")
}

/// Runs `work` to its end on `threads` threads.
pub(super) fn in_runtime(threads: usize, work: impl Future<Output = Result<(), String>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(FAILED, format!("no threads can be started: {error}")),
    };
    let done = runtime.block_on(work);
    // What still runs now is of no use to anybody.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(FAILED, why),
    }
}

/// How this program can be called from the current directory, or else from anywhere.
fn program() -> PathBuf {
    let Ok(path) = std::env::current_exe() else { return PathBuf::from("trunkline") };
    let relative =
        std::env::current_dir().ok().and_then(|dir| path.strip_prefix(dir).ok().map(Path::to_path_buf));
    match relative {
        // `target/release/trunkline` is found by its slash; a bare name would be looked for in the PATH.
        Some(relative) if relative.components().count() > 1 => relative,
        Some(_) | None => path,
    }
}
