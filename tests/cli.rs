//! The command as it is used: the demo and the lines that it prints, the daemon, exit codes, signals.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_trunkline");

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process of ours that stays, killed when dropped.
struct Daemon {
    child: Child,
    lines: mpsc::Receiver<String>,
    home: TempDir,
}

impl Daemon {
    fn start(args: &[&str]) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let mut child = Command::new(PROGRAM)
            .args(args)
            .env("XDG_RUNTIME_DIR", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(home.path().join("errors")).expect("the directory is ours"))
            .spawn()
            .expect("the program was built");
        let stdout = child.stdout.take().expect("it is piped");
        let (told, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let each = BufReader::new(stdout).lines().map_while(Result::ok);
            each.for_each(|line| drop(told.send(line)));
        });
        Self { child, lines, home }
    }

    /// A demo on free ports, and what its first line says.
    fn demo(more: &[&str]) -> (Self, Value) {
        let args = ["demo", "--json", "--smpp-tls", ":0", "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        let mut daemon = Self::start(&[&args, more].concat());
        let line = daemon.line();
        let told = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        (daemon, told)
    }

    fn line(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(_) => {
                let _ = self.child.kill();
                panic!("no line; standard error: {}", self.errors());
            }
        }
    }

    /// All that it has written to standard error.
    fn errors(&self) -> String {
        fs::read_to_string(self.home.path().join("errors")).unwrap_or_default()
    }

    /// Another command of the same user.
    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(args).env("XDG_RUNTIME_DIR", self.home.path()).output().expect("the program was built")
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "there is a kill command");
    }

    /// Its exit status, once it has ended by itself.
    fn ended(mut self) -> ExitStatus {
        let mut waited = Duration::ZERO;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(waited < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
            waited += Duration::from_millis(20);
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(args: &[&str]) -> Output {
    Command::new(PROGRAM).args(args).output().expect("the program was built")
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("it is text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_line_that_the_demo_prints_works_when_pasted() {
    let mut demo = Daemon::start(&[
        "demo",
        "--smpp-tls",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
    ]);
    let (mut pasted, mut over_http) = (Vec::new(), Vec::new());
    loop {
        let line = demo.line();
        if line.contains("Ctrl-C") {
            break;
        }
        if line.starts_with("  TOKEN=") {
            over_http.push(line.trim().to_owned());
            over_http.push(demo.line().trim().to_owned());
        } else if line.starts_with("  ") && line.contains("/trunkline ") {
            pasted.push(line.trim().to_owned());
        }
    }
    assert_eq!(pasted.len(), 4, "{pasted:?}");
    for line in &pasted {
        let output = Command::new("sh").args(["-c", line]).output().expect("there is a shell");
        let said = stdout(&output);
        assert!(!said.is_empty(), "{line}");
        if line.contains(" client ") {
            for word in ["submit_sm_resp ESME_ROK", "DELIVERED", "You wrote: Hello over SMPP"] {
                assert!(said.contains(word), "{word} in:\n{said}");
            }
        }
    }
    // The token of the first line is for the second: they are pasted into one shell.
    let output = Command::new("sh").args(["-c", &over_http.join("\n")]).output().expect("there is a shell");
    let sent: Value = serde_json::from_str(&stdout(&output)).expect("the answer is JSON");
    assert_eq!(sent["id"].as_str().map(str::len), Some(24), "{sent}");
    demo.signal("-TERM");
    assert!(demo.ended().success(), "SIGTERM ends with status 0");
}

#[test]
fn what_there_is_is_shown_in_tables_and_as_json() {
    let (demo, told) = Daemon::demo(&[]);
    let id = stdout(&demo.run(&["send", "--to", "+33612345678", "--text", "Bonjour", "--json"]));
    let id: Value = serde_json::from_str(&id).expect("it is JSON");
    let id = id["id"].as_str().expect("an id");
    stdout(&demo.run(&["status", id, "--watch"]));
    let table = stdout(&demo.run(&["messages", "--number", "0612345678", "--since", "1h"]));
    let row = table.lines().find(|line| line.contains(id)).unwrap_or_else(|| panic!("{id} in\n{table}"));
    assert!(row.contains("delivered") && row.contains("33612345678"), "{row}");
    assert!(!table.contains('\x1b'), "no colours but on a terminal");
    let none = stdout(&demo.run(&["messages", "--state", "refused"]));
    assert_eq!(none, "no messages\n");
    let json: Value = serde_json::from_str(&stdout(&demo.run(&["messages", "--json"]))).expect("it is JSON");
    assert_eq!(json["messages"][0]["id"], id);
    let overview = stdout(&demo.run(&["status"]));
    for word in ["service", "demo", "upstream", "simulator", "up"] {
        assert!(overview.contains(word), "{word} in\n{overview}");
    }
    assert_eq!(stdout(&demo.run(&["webhooks"])), "no webhooks\n");
    let unknown = demo.run(&["webhooks", "retry", "demo/none"]);
    assert!(
        unknown.status.code() == Some(1) && stderr(&unknown).contains("there is no webhook"),
        "{unknown:?}"
    );
    assert_eq!(demo.run(&["webhooks", "dead", "demo"]).status.code(), Some(2));
    assert_eq!(demo.run(&["messages", "--since", "yesterday"]).status.code(), Some(2));
    let reload = demo.run(&["reload"]);
    assert!(stderr(&reload).contains("without a configuration file"), "{}", stderr(&reload));
    let from = format!("{}/demo.key", told["data_dir"].as_str().expect("a path"));
    let key = fs::read_to_string(from).expect("it is there");
    assert_eq!(Some(key.trim()), told["api_key"].as_str());
}

#[test]
fn a_script_sends_follows_and_finds_the_same_credentials_after_a_restart() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let data = dir.path().join("data");
    let data = data.to_str().expect("it is text");
    let (demo, told) = Daemon::demo(&["--data-dir", data, "--smpp-plain", "127.0.0.1:0"]);
    let names: Vec<_> = told.as_object().expect("an object").keys().map(String::as_str).collect();
    let wanted =
        "smpp_tls smpp_plain http admin ca_file service_id system_id password api_key sender data_dir";
    assert_eq!(names.join(" "), wanted);
    assert!(told["smpp_plain"].is_string());
    let mode = fs::metadata(Path::new(data).join("demo.json")).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "credentials are for their owner alone");

    // Found through the user's runtime directory, without an address.
    let sent = demo.run(&["send", "--to", "+33612345678", "--text", "Bonjour", "--json"]);
    let sent: Value = serde_json::from_str(&stdout(&sent)).expect("it is JSON");
    let id = sent["id"].as_str().expect("an id").to_owned();
    let followed = stdout(&demo.run(&["status", &id, "--watch"]));
    assert!(followed.contains("accepted") && followed.trim_end().ends_with("delivered"), "{followed}");
    assert!(stdout(&demo.run(&["status", "last"])).contains(&id));
    assert_eq!(stdout(&demo.run(&["dead-letters"])), "no dead letters\n");
    assert!(stderr(&demo.run(&["status", "000000000000000000000000"])).contains("no such message"));
    assert!(
        stderr(&demo.run(&["send", "--to", "+33612345678", "--text", "x", "--service", "nobody"]))
            .contains("demo")
    );

    let second = run(&["demo", "--json", "--data-dir", data]);
    assert_eq!(second.status.code(), Some(1), "a second process on the same data is refused");
    assert!(stderr(&second).contains("in use by process"), "{}", stderr(&second));

    demo.signal("-INT");
    assert!(demo.ended().success(), "SIGINT ends with status 0");
    let (demo, again) = Daemon::demo(&["--data-dir", data]);
    for name in ["system_id", "password", "ca_file", "data_dir", "sender"] {
        assert_eq!(again[name], told[name], "{name}");
    }
    let kept = stdout(&demo.run(&["status", &id, "--data-dir", data]));
    assert!(kept.contains("delivered"), "{kept}");
}

#[test]
fn the_admin_listener_tells_anybody_how_it_is_and_only_the_owner_more() {
    let (demo, told) = Daemon::demo(&[]);
    let admin = told["admin"].as_str().expect("an address");
    let get = |path: &str, token: Option<&str>| {
        let mut command = Command::new(PROGRAM);
        let url = format!("http://{admin}");
        command.args(["status", path, "--admin", &url]).env("XDG_RUNTIME_DIR", demo.home.path());
        command.env("TRUNKLINE_ADMIN_TOKEN", token.unwrap_or("wrong"));
        command.output().expect("the program was built")
    };
    assert!(stderr(&get("last", None)).contains("401"), "{}", stderr(&get("last", None)));
    let token = fs::read_to_string(Path::new(told["data_dir"].as_str().expect("a path")).join("admin.token"));
    let token = token.expect("it is ours");
    assert!(stderr(&get("last", Some(token.trim()))).contains("404"));
}

#[test]
fn the_daemon_serves_a_checked_file_and_refuses_a_bad_one_before_it_binds() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("trunkline.toml");
    let config = path.to_str().expect("it is text");
    let write = |name: &str, text: &str| {
        fs::write(dir.path().join(name), text).expect("the directory is ours");
        fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(0o600))
            .expect("the file is ours");
    };
    write("pw", "s3cret\n");
    let good = "data_dir = \"data\"\n[smpp]\ntls = \"off\"\nplain = \"127.0.0.1:0\"\n[http]\nlisten = \"off\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
                [[service]]\nid = \"shop\"\npassword_file = \"pw\"\nsenders = \"any\"\n\
                [[upstream]]\nid = \"a\"\nurl = \"smpp://127.0.0.1:9\"\nsystem_id = \"us\"\npassword_file = \"pw\"\n[[route]]\nupstreams = [\"a\"]\n";
    write("trunkline.toml", good);
    let checked = run(&["check", "--config", config]);
    assert!(stdout(&checked).contains("good: 1 service(s), 1 upstream(s), 1 route(s)"), "{checked:?}");

    let daemon = Daemon::start(&["serve", "--config", config]);
    let data = dir.path().join("data");
    let mut waited = Duration::ZERO;
    while !data.join("admin.json").exists() {
        assert!(waited < PATIENCE, "it does not start");
        std::thread::sleep(Duration::from_millis(20));
        waited += Duration::from_millis(20);
    }
    daemon.signal("-TERM");
    assert!(daemon.ended().success(), "SIGTERM ends with status 0");
    assert!(!data.join("admin.json").exists(), "the sign is taken down");

    write("trunkline.toml", &good.replace("rout", "rotu"));
    for command in ["check", "serve"] {
        let refused = run(&[command, "--config", config]);
        assert_eq!(refused.status.code(), Some(2), "{command}");
        let said = stderr(&refused);
        assert!(
            said.contains("trunkline.toml:18: rotue: unknown key") && said.contains("did you mean route?"),
            "{said}"
        );
    }
}

#[test]
fn pdus_and_texts_are_explained_without_a_daemon() {
    assert!(stdout(&run(&["pdu", "00000010", "00000015", "00000000", "00000001"])).contains("enquire_link"));
    let json: Value = serde_json::from_str(&stdout(&run(&["count", "--json", "Hello"]))).expect("it is JSON");
    assert!(json.is_object());
    assert_eq!(run(&["pdu", "xyz"]).status.code(), Some(2));
    assert_eq!(run(&["sing"]).status.code(), Some(2));
}

#[test]
fn a_client_without_the_right_password_is_told_so() {
    let (demo, told) = Daemon::demo(&[]);
    let wrong = demo.home.path().join("wrong");
    fs::write(&wrong, "wrong\n").expect("the directory is ours");
    let (connect, ca) =
        (told["smpp_tls"].as_str().expect("an address"), told["ca_file"].as_str().expect("a path"));
    let wrong = wrong.to_str().expect("it is text");
    let refused =
        run(&["client", "--connect", connect, "--ca", ca, "--user", "demo", "--password-file", wrong]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("the bind was refused with ESME_R"), "{}", stderr(&refused));
    let without_ca = run(&["client", "--connect", connect, "--user", "demo", "--password-file", wrong]);
    assert!(stderr(&without_ca).contains("certificate"), "{}", stderr(&without_ca));
}

#[test]
fn the_log_at_its_finest_holds_no_number_no_text_and_no_password() {
    let (demo, told) = Daemon::demo(&["--log", "trace", "--smpp-plain", "127.0.0.1:0"]);
    let text = "Rendezvous-behind-the-mill";
    let (connect, ca) =
        (told["smpp_tls"].as_str().expect("an address"), told["ca_file"].as_str().expect("a path"));
    let password_file = format!("{}/demo.password", told["data_dir"].as_str().expect("a path"));
    let client = run(&[
        "client",
        "--connect",
        connect,
        "--ca",
        ca,
        "--user",
        "demo",
        "--password-file",
        &password_file,
        "--from",
        "33930000000",
        "--to",
        "33612345678",
        "--text",
        text,
    ]);
    assert!(stdout(&client).contains("DELIVERED"), "{}", stdout(&client));
    stdout(&demo.run(&["send", "--to", "33612345678", "--text", text]));
    let refused = demo.run(&["send", "--to", "nobody", "--text", text]);
    assert!(!refused.status.success(), "a name is no recipient");
    let log = demo.errors();
    assert!(log.contains("bound"), "there is a log of {} octets", log.len());
    let password = told["password"].as_str().expect("a text");
    let hex: String = text.bytes().map(|octet| format!("{octet:02x}")).collect();
    let list = format!("{:?}", &text.as_bytes()[..8]).trim_matches(['[', ']']).to_owned();
    for secret in [text, "33612345678", "33930000000", password, &hex, &list] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
}
