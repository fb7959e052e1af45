//! What the demo prints: one JSON object for a script, or lines to try for a person.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{API_KEY_FILE, PASSWORD_FILE, RECIPIENT};
use crate::gateway::id::MessageId;

/// What there is to tell about a running demo.
#[derive(Clone)]
pub struct Told {
    /// SMPP over TLS.
    pub smpp_tls: Option<SocketAddr>,
    /// Plain SMPP.
    pub smpp_plain: Option<SocketAddr>,
    /// The façade.
    pub http: Option<SocketAddr>,
    /// The admin listener.
    pub admin: SocketAddr,
    /// The certificate to trust.
    pub ca_file: PathBuf,
    /// The service's id.
    pub service_id: String,
    /// What it binds with.
    pub system_id: String,
    /// The password that it binds with.
    pub password: String,
    /// Its key of the native API.
    pub api_key: String,
    /// A sender that it may use.
    pub sender: String,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// The SMSC behind is the simulated one.
    pub is_simulated: bool,
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Told")
            .field("smpp_tls", &self.smpp_tls)
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}

impl Told {
    /// For a script: one object, on one line.
    pub fn to_json(&self) -> Value {
        json!({
            "smpp_tls": self.smpp_tls,
            "smpp_plain": self.smpp_plain,
            "http": self.http,
            "admin": self.admin,
            "ca_file": self.ca_file,
            "service_id": self.service_id,
            "system_id": self.system_id,
            "password": self.password,
            "api_key": self.api_key,
            "sender": self.sender,
            "data_dir": self.data_dir,
        })
    }

    /// For a person: what runs, and lines that work when pasted. `program` is how this program was called, `first` the
    /// message that was sent already.
    pub fn to_lines(&self, program: &Path, first: Option<MessageId>) -> String {
        let program = quoted(&program.display().to_string());
        let data = format!("--data-dir {}", quoted(&self.data_dir.display().to_string()));
        let mut lines = vec![
            if self.is_simulated {
                "Trunkline runs, with a simulated SMSC behind it: nothing leaves this machine.".to_owned()
            } else {
                "Trunkline runs, with real upstreams behind it: what is sent LEAVES this machine.".to_owned()
            },
            String::new(),
        ];
        if let Some(tls) = self.smpp_tls {
            lines.push(format!("  SMPP over TLS  {tls}    certificate to trust: {}", self.ca_file.display()));
        }
        if let Some(plain) = self.smpp_plain {
            lines.push(format!("  SMPP, plain    {plain}"));
        }
        lines.push(format!(
            "  system_id      {}    password: {}    sender: {}",
            self.system_id, self.password, self.sender
        ));
        if let Some(http) = self.http {
            lines
                .push(format!("  HTTP           http://{http}/docs/ and http://{http}/mug/api/V1/api-docs/"));
        }
        lines.push(format!("  admin          http://{}/metrics", self.admin));
        lines.push(format!("  data           {}", self.data_dir.display()));
        lines.extend([String::new(), "Try, in another terminal:".to_owned(), String::new()]);
        if let Some(tls) = self.smpp_tls {
            lines.push(
                "  # an SMPP client: binds over TLS, sends, shows the receipt and what the mobile answers"
                    .to_owned(),
            );
            lines.push(format!(
                "  {program} client --connect {tls} --ca {} --user {} --password-file {} --from {} --to {RECIPIENT} --text \"Hello over SMPP\"",
                quoted(&self.ca_file.display().to_string()),
                self.system_id,
                quoted(&self.data_dir.join(PASSWORD_FILE).display().to_string()),
                self.sender,
            ));
        }
        lines.push("  # the same without SMPP, and what became of a message".to_owned());
        lines.push(format!(
            "  {program} send {data} --from {} --to {RECIPIENT} --text \"Hello\"",
            self.sender
        ));
        let id = first.map_or_else(|| "last".to_owned(), |id| id.to_string());
        lines.push(format!("  {program} status {data} {id}"));
        if let Some(http) = self.http {
            lines.extend(self.http_lines(http));
        }
        lines.push("  # what a text costs".to_owned());
        lines.push(format!("  {program} count \"Déjà vu… 5 €\""));
        if self.is_simulated {
            lines.push(String::new());
            lines.push("Numbers that end in 01 to 09 fail in their own ways; a text that begins with `long` is answered at length.".to_owned());
        }
        lines.push("Ctrl-C stops.".to_owned());
        lines.push(String::new());
        lines.join("\n")
    }
}

impl Told {
    /// What can be tried over HTTP. Secrets come from their files, so that no process list shows them.
    fn http_lines(&self, http: SocketAddr) -> Vec<String> {
        let file = |name: &str| quoted(&self.data_dir.join(name).display().to_string());
        let (password, key) = (file(PASSWORD_FILE), file(API_KEY_FILE));
        let service = format!("http://{http}/mug/api/V1/services/{}", self.service_id);
        let json = "-H 'Content-Type: application/json'";
        let sender = &self.sender;
        vec![
            "  # what happens, as it happens (in a terminal of its own)".to_owned(),
            format!(
                "  printf 'Authorization: Bearer %s' \"$(cat {key})\" | curl -sN -H @- -H 'Accept: text/event-stream' http://{http}/v1/events"
            ),
            "  # the same by TimeToChat's REST methods: a token, then the message".to_owned(),
            format!(
                "  TOKEN=$(printf '{{\"password\":\"%s\"}}' \"$(cat {password})\" | curl -s {json} -d @- {service}/token | cut -d '\"' -f 4)"
            ),
            format!(
                "  printf 'Authorization: Bearer %s' \"$TOKEN\" | curl -s -H @- {json} -d '{{\"from\":\"+{sender}\",\"to\":\"+{RECIPIENT}\",\"text\":\"Hello over HTTP\"}}' {service}/messages"
            ),
        ]
    }
}

/// For a shell.
fn quoted(word: &str) -> String {
    let is_plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | ':' | '+' | '=' | ',');
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told() -> Told {
        Told {
            smpp_tls: "127.0.0.1:5772".parse().ok(),
            smpp_plain: None,
            http: "127.0.0.1:8080".parse().ok(),
            admin: "127.0.0.1:8081".parse().expect("an address"),
            ca_file: "/tmp/it is/demo-ca.pem".into(),
            service_id: "demo".into(),
            system_id: "demo".into(),
            password: "s3cret".into(),
            api_key: "k3y".into(),
            sender: "33930000000".into(),
            data_dir: "/tmp/it is".into(),
            is_simulated: true,
        }
    }

    #[test]
    fn a_script_is_told_exactly_these_members() {
        let json = told().to_json();
        let names: Vec<_> = json.as_object().expect("an object").keys().map(String::as_str).collect();
        let wanted =
            "smpp_tls smpp_plain http admin ca_file service_id system_id password api_key sender data_dir";
        assert_eq!(names.join(" "), wanted);
        assert_eq!(json["smpp_tls"], "127.0.0.1:5772");
        assert!(json["smpp_plain"].is_null());
        assert!(!json.to_string().contains('\n'));
    }

    #[test]
    fn lines_to_try_survive_a_shell() {
        let lines = told().to_lines(Path::new("target/release/trunkline"), None);
        assert!(lines.contains("  target/release/trunkline status --data-dir '/tmp/it is' last"), "{lines}");
        assert!(lines.contains("cat '/tmp/it is/demo.key'") && !lines.contains("k3y"), "{lines}");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
