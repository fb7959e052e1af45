//! The built program as a process: started, asked, killed, started again on the same data.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio_rustls::TlsConnector;

use super::metrics::{Metrics, get};
use super::tls::Identity;
use super::{PATIENCE, until};

/// What every service and upstream of the tests logs in with.
pub const PASSWORD: &str = "s3cret";

/// A folder with a configuration, certificates and data, and the addresses that go with it.
#[derive(Debug)]
pub struct Site {
    folder: TempDir,
    pub identity: Identity,
    pub smpp_tls: SocketAddr,
    pub smpp_plain: SocketAddr,
    pub admin: SocketAddr,
    /// Where the façade is, if it is wanted.
    pub http: SocketAddr,
}

/// What a test wants in the configuration besides what all have: the lines of each table.
#[derive(Clone, Debug, Default)]
pub struct Wanted<'a> {
    pub smpp: &'a str,
    pub store: &'a str,
    pub rules: &'a str,
    /// Lines of the façade; `None`: there is none.
    pub http: Option<&'a str>,
    /// Services, upstreams, routes.
    pub rest: &'a str,
    /// Where the data lies; `None`: in the site's folder.
    pub data_dir: Option<&'a Path>,
}

impl Site {
    pub fn new(wanted: &Wanted<'_>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [smpp_tls, smpp_plain, admin, http] = free_addresses();
        let site = Self { folder, identity: Identity::new(), smpp_tls, smpp_plain, admin, http };
        site.write("smpp.pem", &site.identity.certificate_pem);
        site.write("smpp.key", &site.identity.key_pem);
        site.write("password", PASSWORD);
        site.configure(wanted);
        site
    }

    /// Writes the configuration anew; a running process does not notice.
    pub fn configure(&self, wanted: &Wanted<'_>) {
        let Wanted { smpp, store, rules, http, rest, data_dir } = wanted;
        let http = match http {
            Some(lines) => format!("listen = \"{}\"\n{lines}", self.http),
            None => "listen = \"off\"".to_owned(),
        };
        let data_dir = data_dir.map_or_else(|| self.path("data"), Path::to_path_buf);
        let text = format!(
            "data_dir = \"{}\"\n[log]\nlevel = \"{LEVEL}\"\n\
             [smpp]\ntls = \"{}\"\nplain = \"{}\"\ncertificate = \"smpp.pem\"\nkey = \"smpp.key\"\n{smpp}\n\
             [admin]\nlisten = \"{}\"\n[http]\n{http}\n[store]\n{store}\n[rules]\n{rules}\n{rest}\n",
            data_dir.display(),
            self.smpp_tls,
            self.smpp_plain,
            self.admin
        );
        self.write("trunkline.toml", &text);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("the folder is ours");
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).expect("the file is ours");
    }

    /// For clients that trust the site's certificate.
    pub fn connector(&self) -> TlsConnector {
        self.identity.connector(rustls::ALL_VERSIONS)
    }

    /// Starts the gateway and waits until it is ready.
    pub async fn start(&self) -> Gateway {
        let mut gateway = self.spawn();
        gateway.ready().await;
        gateway
    }

    /// Starts the gateway and does not wait.
    pub fn spawn(&self) -> Gateway {
        let log = self.path("log");
        let stderr = File::options().create(true).append(true).open(&log).expect("the folder is ours");
        let child = Command::new(PROGRAM)
            .args(["serve", "--config"])
            .arg(self.path("trunkline.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::from(stderr.try_clone().expect("a second handle")))
            .stderr(Stdio::from(stderr))
            .spawn()
            .expect("the program was built");
        Gateway { child, admin: self.admin, log }
    }

    /// All that the processes of this site have logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

/// A service that logs in with its id, may send from anywhere and has no rate, but for the lines of `more`.
pub fn service(id: &str, more: &str) -> String {
    let or = |key: &str, line: &str| if more.contains(key) { String::new() } else { format!("{line}\n") };
    let (senders, rate) = (or("senders", "senders = \"any\""), or("rate", "rate = 0"));
    format!("[[service]]\nid = \"{id}\"\npassword_file = \"password\"\n{senders}{rate}{more}\n")
}

/// An upstream without TLS that reconnects soon.
pub fn upstream(id: &str, to: SocketAddr, more: &str) -> String {
    let soon = "reconnect_min = \"50ms\"\nreconnect_max = \"200ms\"";
    format!(
        "[[upstream]]\nid = \"{id}\"\nurl = \"smpp://{to}\"\nsystem_id = \"us\"\npassword_file = \"password\"\n\
         {soon}\n{more}\n"
    )
}

/// A route over these upstreams, best first.
pub fn route(upstreams: &[&str], more: &str) -> String {
    format!("[[route]]\nupstreams = {upstreams:?}\n{more}\n")
}

/// MO of any number for a service.
pub fn mo_route(service: &str) -> String {
    format!("[[mo_route]]\nservice = \"{service}\"\n")
}

/// A running gateway. Dropped, it is killed.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    admin: SocketAddr,
    log: PathBuf,
}

impl Gateway {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until `/readyz` says yes.
    pub async fn ready(&mut self) {
        let asked = async {
            while !matches!(get(self.admin, "/readyz").await, Ok((200, _))) {
                assert!(matches!(self.child.try_wait(), Ok(None)), "the gateway ended: {}", tail(&self.log));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, asked).await.is_err() {
            panic!("never ready: {:?} {}", get(self.admin, "/readyz").await, tail(&self.log));
        }
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
    }

    /// SIGTERM; the exit status.
    pub async fn terminate(mut self) -> ExitStatus {
        let sent = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "there is a kill command");
        until("ends after SIGTERM", || self.child.try_wait().expect("it is our child")).await
    }

    /// The exit status, once it has ended by itself.
    pub async fn ended(mut self) -> ExitStatus {
        until("ends by itself", || self.child.try_wait().expect("it is our child")).await
    }

    pub async fn metrics(&self) -> Metrics {
        match get(self.admin, "/metrics").await {
            Ok((200, text)) => Metrics::parse(&text),
            other => panic!("/metrics: {other:?} {}", tail(&self.log)),
        }
    }

    /// Waits until the metrics satisfy `what`.
    pub async fn until(&self, what: &str, mut holds: impl FnMut(&Metrics) -> bool) -> Metrics {
        let mut last = Metrics::default();
        let looked = async {
            loop {
                last = self.metrics().await;
                if holds(&last) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, looked).await;
        assert!(found.is_ok(), "in {PATIENCE:?}: never {what}; at last {:?}", last.stages());
        last
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the gateway's log ends:\n{}", tail(&self.log));
        }
    }
}

/// Loopback addresses that nothing listens on just now.
pub fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    // All are held until the last is found, so that they differ.
    let held = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"));
    held.map(|listener| listener.local_addr().expect("it listens"))
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_trunkline");

const LEVEL: &str = "info";
