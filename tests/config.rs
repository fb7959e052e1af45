//! The configuration as an operator meets it: the example, the page of keys, and what is said about mistakes.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use trunkline::config::{self, Loaded, Problems};
use trunkline::gateway::settings::{LongMode, Policy, Profile, Unknown};
use trunkline::http::v1::Scopes;
use trunkline::net::Secret;
use trunkline::pdu::CommandStatus;
use trunkline::smpp::PeerBind;

/// A folder with a configuration and the files that it names.
struct Folder(TempDir);

impl Folder {
    fn new(text: &str) -> Self {
        let folder = Self(tempfile::tempdir().expect("a temporary directory"));
        folder.write("trunkline.toml", text);
        for file in ["secrets/shop", "secrets/sfr", "secrets/backup"] {
            folder.write(file, "s3cret\n");
        }
        folder.write("secrets/mug", "s3cret\n");
        folder.write("secrets/mug-push", "0123456789abcdef0123456789abcdef\n");
        folder.write("secrets/shop-key", "a key of the shop's own\n");
        folder.write("secrets/shop-hook", "a secret of the shop's own\n");
        let identity = trunkline::net::tls::Identity::self_signed(&["localhost"]).expect("a good name");
        folder.write("tls/smpp.pem", &identity.certificate_pem);
        folder.write("tls/smpp.key", &identity.key_pem);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is inside")).expect("the folder is ours");
        fs::write(&path, text).expect("the folder is ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("the file is ours");
    }

    /// The same with other words in its configuration.
    fn replaced(self, from: &str, to: &str) -> Self {
        let text = fs::read_to_string(self.path("trunkline.toml")).expect("it was written");
        self.write("trunkline.toml", &text.replacen(from, to, 1));
        self
    }

    fn load(&self) -> Result<Loaded, Problems> {
        let environment = |name: &str| (name == "ALERTS_PASSWORD").then(|| "s3cret".to_owned());
        config::load_with(&self.path("trunkline.toml"), &environment)
    }

    /// What is said about it, without the folder's name.
    fn complaints(&self) -> String {
        let problems = self.load().expect_err("something is wrong with it").to_string();
        problems.replace(&format!("{}/", self.0.path().display()), "")
    }
}

const SMALL: &str = r#"
data_dir = "data"
[smpp]
tls = "127.0.0.1:0"
certificate = "tls/smpp.pem"
key = "tls/smpp.key"
[[service]]
id = "shop"
password_file = "secrets/shop"
senders = "any"
[[upstream]]
id = "sfr"
url = "smpps://smsc.example.com"
system_id = "us"
password_file = "secrets/sfr"
[[route]]
upstreams = ["sfr"]
"#;

fn in_the_tree(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_example_is_read_as_it_says() {
    let loaded = Folder::new(&in_the_tree("trunkline.example.toml")).load().expect("the example is right");
    assert_eq!(loaded.warnings, [], "and nothing in it wants a warning");
    let settings = loaded.settings;
    assert_eq!(settings.engine.data_dir, Path::new("/var/lib/trunkline"));
    let [listener] = &settings.smpp.listeners[..] else { panic!("one listener") };
    assert_eq!((listener.address.to_string().as_str(), listener.tls.is_some()), ("0.0.0.0:5772", true));

    let [shop, alerts] = &settings.gateway.services[..] else { panic!("two services") };
    let senders = shop.senders.as_ref().expect("it lists them");
    assert!(senders.contains("33930000000") && senders.contains("SHOP"), "{senders:?}");
    assert_eq!(shop.monthly_limit, Some(100_000));
    // Paris is an hour ahead of UTC in winter.
    assert_eq!(shop.ends_at_ms, Some(1_830_294_000_000), "the end of 2027");
    assert_eq!((alerts.profile, alerts.strict_order, alerts.weight), (Profile::TimeToChat, true, 2));
    assert!(settings.accounts[0].allow_from.is_some() && settings.accounts[1].allow_from.is_none());
    assert_eq!(settings.accounts[1].system_id, "alerts");
    assert_eq!(settings.accounts[1].password, Secret::new("s3cret"));

    assert!(shop.watched && !alerts.watched, "what HTTP is used for is kept");
    let ids: Vec<_> = shop.endpoints.iter().map(|endpoint| endpoint.id.as_str()).collect();
    assert_eq!(ids, ["shop/push", "shop/main"]);
    assert!(shop.endpoints[0].sent && !shop.endpoints[1].sent, "one is told what it asked for");
    let opt_out = shop.opt_out.as_ref().expect("it was asked for");
    assert!(opt_out.stop.contains("ARRÊT") && opt_out.start.contains("START") && alerts.opt_out.is_none());
    let [http, _] = &settings.http_services[..] else { panic!("two services") };
    let rest = http.rest.as_ref().expect("it has a login");
    assert_eq!((rest.id.as_str(), &rest.password), ("123456", &Secret::new("s3cret")));
    assert_eq!((http.keys[0].id.as_str(), http.rate), ("backend", 20));
    assert!(!http.keys[0].scopes.contain(Scopes::ADMIN));
    assert_eq!(http.webhooks[1].url.to_string(), "https://shop.example.com/events");

    let [sfr, mug, backup] = &settings.gateway.upstreams[..] else { panic!("three upstreams") };
    assert_eq!(sfr.rate.map(|rate| rate.get()), Some(20));
    assert_eq!(sfr.policies.get(&CommandStatus::ESME_RMSGQFUL), Some(&Policy::Delay));
    assert_eq!(sfr.policies.get(&CommandStatus::ESME_RSUBMITFAIL), Some(&Policy::Final));
    assert_eq!((backup.rate, backup.long), (None, LongMode::Udh));
    assert_eq!(
        (mug.rate.map(|rate| rate.get()), mug.unknown),
        (Some(18), Unknown::Reconcile),
        "less the reserve"
    );
    let [vendor] = &settings.vendors[..] else { panic!("one by REST") };
    assert_eq!((vendor.url.as_str(), vendor.rate), ("https://mug.example.com/mug/api/V1", 20));
    let [inlet] = &settings.inlets[..] else { panic!("one is pushed to") };
    assert!(inlet.upstream == "mug" && inlet.allow_from.is_some());
    let [first, second] = &settings.peers[..] else { panic!("two by SMPP") };
    assert_eq!((first.host.as_str(), first.port, first.tls.is_some()), ("smsc.example.com", 5772, true));
    assert_eq!(
        (second.bind, second.sessions, second.tls.is_some()),
        (PeerBind::TransmitterAndReceiver, 2, false)
    );

    assert_eq!(settings.gateway.routes[1].destination, "33");
    assert_eq!(
        (settings.gateway.mo_routes[0].number.as_str(), settings.gateway.mo_routes[0].exact),
        ("33930000001", true)
    );
    assert_eq!(
        (settings.gateway.mo_routes[1].number.as_str(), settings.gateway.mo_routes[1].exact),
        ("33930", false)
    );
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let settings = Folder::new(SMALL).load().expect("it is right").settings;
    assert_eq!(settings.gateway.rules.timezone.iana_name(), Some("Europe/Paris"));
    assert_eq!(settings.gateway.rules.validity_default_ms, 48 * 3_600_000);
    assert_eq!(settings.accounts[0].rate, 20);
    assert_eq!(settings.accounts[0].system_id, "shop");
    assert_eq!(settings.peers[0].port, 3550);
    assert_eq!(settings.engine.disk_reserve_octets, 512 << 20);
    assert_eq!(
        (settings.process.drain, settings.smpp.drain),
        (Duration::from_secs(5), Duration::from_secs(5))
    );
}

#[test]
fn every_key_of_the_page_is_read_and_every_key_that_is_read_is_on_the_page() {
    let read = Folder::new(&in_the_tree("trunkline.example.toml")).load().expect("the example is right").keys;
    let page = in_the_tree("docs/CONFIG.md");
    // A row of a table of keys begins with the key in backquotes and has four cells.
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let documented: BTreeSet<String> = rows
        .map(|row| {
            assert_eq!(row.matches(" | ").count(), 3, "key, unit, default, meaning: {row}");
            row.split('`').nth(1).expect("it begins with one").to_owned()
        })
        .collect();
    let unread: Vec<_> = documented.difference(&read).collect();
    let undocumented: Vec<_> = read.difference(&documented).collect();
    assert!(
        unread.is_empty() && undocumented.is_empty(),
        "not read: {unread:?}; not on the page: {undocumented:?}"
    );
    assert!(read.len() > 80, "the test would see it if none were read");
}

/// Rows of the keys that only upstreams of kind `timetochat` have.
fn of_the_vendor(page: &str) -> impl Iterator<Item = &str> {
    let section = page.split("### Kind `timetochat`").nth(1).expect("the page has it");
    let section = section.split("\n## ").next().unwrap_or_default();
    section.lines().filter(|line| line.starts_with("| `upstream."))
}

/// The value of `key`'s default as docs/CONFIG.md prints it.
fn default_on_the_page(page: &str, key: &str) -> String {
    let row = page.lines().find(|line| line.starts_with(&format!("| `{key}` |"))).expect(key);
    row.split(" | ").nth(2).expect("four cells").trim_matches('`').trim_matches('"').to_owned()
}

#[test]
fn defaults_on_the_page_are_those_in_the_code() {
    let page = in_the_tree("docs/CONFIG.md");
    // Written out in a file, each documented default must change nothing.
    let plain = Folder::new(SMALL).load().expect("it is right").settings;
    let mut written = SMALL.to_owned();
    for (section, header) in [("rules", "[rules]"), ("store", "[store]"), ("log", "[log]")] {
        written.push_str(&format!("{header}\n"));
        for row in page.lines().filter(|line| line.starts_with(&format!("| `{section}."))) {
            let key = row.split('`').nth(1).expect("it begins with one");
            let value = default_on_the_page(&page, key);
            let bare = key.rsplit('.').next().expect("it has a dot");
            let is_number = value.bytes().all(|c| c.is_ascii_digit()) && bare != "country";
            written.push_str(&if is_number {
                format!("{bare} = {value}\n")
            } else {
                format!("{bare} = \"{value}\"\n")
            });
        }
    }
    for (section, before) in [("smpp", "[[service]]"), ("service", "[[upstream]]"), ("upstream", "[[route]]")]
    {
        let mut lines = String::new();
        for row in page.lines().filter(|line| line.starts_with(&format!("| `{section}."))) {
            let key = row.split('`').nth(1).expect("it begins with one");
            if key.matches('.').count() > 1 || of_the_vendor(&page).any(|other| other == row) {
                continue;
            }
            let value = default_on_the_page(&page, key);
            let bare = key.rsplit('.').next().expect("it has a dot");
            let is_said = ["–", "see below", "id", "that of SMPP", "the public ones", "the URL's host", ""]
                .contains(&value.as_str());
            if is_said || value.starts_with("required") || key == "smpp.tls" {
                continue;
            }
            let is_bare = value.starts_with("0x") || value == "false" || value.parse::<u64>().is_ok();
            lines.push_str(&if is_bare {
                format!("{bare} = {value}\n")
            } else {
                format!("{bare} = \"{value}\"\n")
            });
        }
        written = written.replace(before, &format!("{lines}{before}"));
    }
    let spelled = Folder::new(&written).load().expect("the page's defaults are right").settings;
    let mut own = "url = \"https://mug.example.com\"\n".to_owned();
    let silent = Folder::new(&vendor(&own)).load().expect("it is right").settings;
    for row in of_the_vendor(&page) {
        let key = row.split('`').nth(1).expect("it begins with one");
        match default_on_the_page(&page, key).as_str() {
            "required" | "–" => {}
            number if number.parse::<u64>().is_ok() => own.push_str(&format!("{} = {number}\n", &key[9..])),
            text => own.push_str(&format!("{} = \"{text}\"\n", &key[9..])),
        }
    }
    let told = Folder::new(&vendor(&own)).load().expect("the page's defaults are right").settings;
    assert!(own.lines().count() > 3 && told.vendors == silent.vendors);
    let times = |settings: &config::Settings| {
        let upstream = &settings.gateway.upstreams[1];
        (upstream.rate, upstream.reconcile_ms, upstream.inquire_after_ms)
    };
    assert_eq!(times(&told), times(&silent));
    assert_eq!(format!("{:?}", plain.gateway.rules), format!("{:?}", spelled.gateway.rules));
    assert_eq!(format!("{:?}", plain.gateway.services), format!("{:?}", spelled.gateway.services));
    assert_eq!(plain.gateway.upstreams[0].policies, spelled.gateway.upstreams[0].policies);
    let without_policies = |settings: &config::Settings| {
        let mut upstreams = settings.gateway.upstreams.clone();
        upstreams.iter_mut().for_each(|upstream| upstream.policies.clear());
        format!("{upstreams:?}")
    };
    assert_eq!(without_policies(&plain), without_policies(&spelled));
    let without_folder = |settings: &config::Settings| {
        let mut smpp = settings.smpp.clone();
        smpp.listeners.clear();
        let mut engine = settings.engine.clone();
        engine.data_dir = PathBuf::new();
        format!(
            "{engine:?} {:?} {smpp:?} {:?} {:?}",
            settings.peers, settings.accounts, settings.http_services
        )
    };
    assert_eq!(without_folder(&plain), without_folder(&spelled));
    assert_eq!(format!("{:?}", plain.log), format!("{:?}", spelled.log));
}

#[test]
fn every_mistake_is_told_with_file_line_key_and_remedy_in_one_go() {
    let folder = Folder::new(
        r#"data_dir = "data"
threds = 2
[store]
disk_reserve = "512MB"
[smpp]
tls = "off"
[[service]]
id = "shop"
password = "secret"
senders = "any"
rate = -1
[[service]]
id = "shop"
system_id = "other"
password_file = "secrets/shop"
[[upstream]]
id = "sfr"
url = "http://smsc.example.com"
system_id = "us"
password_env = "NOT_SET"
response = 30
[upstream.policy]
ESME_RTHROTLED = "throttle"
0x14 = "wait"
[[route]]
service = "shap"
upstreams = ["sfr", "spare"]
"#,
    );
    let expected = r#"trunkline.toml:2: threds: unknown key
    did you mean threads?
trunkline.toml:4: store.disk_reserve: "512MB" is not a size
    write a number and B, KiB, MiB or GiB, as in "512MiB"
trunkline.toml:9: service.shop.password: a password does not stand in the configuration
    put it into a file of mode 0600 and write password_file = "…", or into the environment and write password_env = "NAME"
trunkline.toml:11: service.shop.rate: -1 is out of range
    write a number from 0 to 1000000
trunkline.toml:12: service.shop.senders: is missing
    list the senders that the service may use, or write senders = "any"
trunkline.toml:12: service.id: "shop" is taken by the service at trunkline.toml:7
    give each service its own id
trunkline.toml:18: upstream.sfr.url: "http://smsc.example.com" is not the URL of an SMSC
    write smpps://host:port, or smpp://host:port without TLS
trunkline.toml:20: upstream.sfr.password_env: the environment has no NOT_SET
    start trunkline with NOT_SET set
trunkline.toml:21: upstream.sfr.response: is of the wrong type (integer)
    write it in quotes with its unit, as in "30s"
trunkline.toml:23: upstream.sfr.policy.ESME_RTHROTLED: ESME_RTHROTLED is not a command_status
    did you mean ESME_RTHROTTLED? A number is written as in 0x58
trunkline.toml:24: upstream.sfr.policy.0x14: "wait" is not one of the values
    write "throttle" or "delay" or "final"
trunkline.toml:26: route[1].service: there is no service "shap"
    did you mean "shop"?
trunkline.toml:27: route[1].upstreams: there is no upstream "spare"
    add a [[upstream]] with id = "spare""#;
    assert_eq!(folder.complaints(), expected);
}

#[test]
fn beyond_loopback_http_wants_a_certificate_or_to_be_told_that_it_is_plain() {
    let http = |lines: &str| Folder::new(&format!("{SMALL}[http]\n{lines}\n"));
    let identity = "certificate = \"tls/smpp.pem\"\nkey = \"tls/smpp.key\"";

    let local = http("listen = \"127.0.0.1:9000\"").load().expect("loopback is plain").settings.http;
    assert!(local.is_some_and(|http| http.tls.is_none() && http.listen.port() == 9000));
    let outside = http(&format!("listen = \":8443\"\n{identity}\nclient_ca = \"tls/smpp.pem\""));
    assert!(outside.load().expect("it is right").settings.http.is_some_and(|http| http.tls.is_some()));
    let asked = http("listen = \":8080\"\nplain_http = true").load().expect("it was asked for");
    assert_eq!(asked.warnings[0].key, "http.plain_http");
    assert!(http("listen = \"off\"").load().expect("it is right").settings.http.is_none());

    let complaints = http("listen = \":8080\"").complaints();
    assert!(complaints.contains("trunkline.toml:19: http.listen: "), "{complaints}");
    assert!(complaints.contains("add certificate and key; or plain_http = true"), "{complaints}");
    for (lines, key) in [
        (format!("{identity}\nplain_http = true"), "http.plain_http"),
        ("client_ca = \"tls/smpp.pem\"".to_owned(), "http.client_ca"),
        ("certificate = \"tls/smpp.pem\"".to_owned(), "http.key"),
        (format!("{identity}\nclient_ca = \"tls/gone.pem\""), "http.client_ca"),
        (format!("{identity}\nclient_ca = \"secrets/shop\""), "http.client_ca"),
        ("allow_from = [\"10.0.0.1/8\"]".to_owned(), "http.allow_from"),
    ] {
        let complaints = http(&lines).complaints();
        assert!(complaints.contains(&format!(" {key}: ")), "{lines}: {complaints}");
    }
}

#[test]
fn keys_and_webhooks_are_checked_before_anybody_uses_them() {
    let with = |more: &str| {
        Folder::new(&SMALL.replace("senders = \"any\"\n", &format!("senders = \"any\"\n{more}\n")))
    };
    let hook = |url: &str| {
        format!("[[service.webhook]]\nid = \"main\"\nurl = \"{url}\"\nsecret_file = \"secrets/shop-hook\"")
    };
    let key = |id: &str| format!("[[service.key]]\nid = \"{id}\"\nkey_file = \"secrets/shop-key\"\n");
    for (lines, part) in [
        (
            hook("https://u:pw@app.example.com/"),
            "service.shop.webhook.main.url: the URL holds a user or a password",
        ),
        (hook("ftp://app.example.com/"), "is neither https nor http"),
        (hook("http://app.example.com/"), "is not protected"),
        (hook("https://10.1.2.3/"), "add \"10.1.2.3\" or its network to http.allow_private"),
        (hook("http://localhost:9000/"), "is in a private network"),
        (hook("https://[fd00::1]/x"), "is in a private network"),
        (hook("/only/a/path"), "names no host"),
        (hook("https://a.example/").replace("main", "a b"), "is no plain name"),
        (hook("https://a.example/").replace("shop-hook", "shop"), "the secret has less than 16 octets"),
        (
            hook("https://a.example/").replace("secret_file = \"secrets/shop-hook\"", "secret = \"x\""),
            "a secret does not stand in the configuration",
        ),
        (
            format!("{}\nevents = [\"everything\"]", hook("https://a.example/")),
            "list some of \"sent\", \"receipts\", \"incoming\"",
        ),
        (
            format!("{}\nurls = 1", hook("https://a.example/")),
            "service.shop.webhook.main.urls: unknown key\n    did you mean url?",
        ),
        (format!("{0}\n{0}", hook("https://a.example/")), "\"shop/main\" is taken by the service.webhook"),
        ("push_url = \"http://example.com/\"".into(), "service.shop.push_url: "),
        ("receipts = \"webhook\"".into(), "service.shop.receipts: there is no webhook that takes them"),
        ("rest = true\nrest_id = \"a/b\"".into(), "service.shop.rest_id: \"a/b\" does not fit into a path"),
        (key("one") + "scopes = [\"messages\"]", "service.shop.key.one.scopes: \"messages\" is not a scope"),
        (key("one").replace("shop-key", "shop"), "the key has less than 16 octets"),
        (key("one") + &key("two"), "the key \"two\" is that of shop.one"),
        (
            "[service.opt_out]\nstop = [\"non\"]\nstart = [\"NON\"]".into(),
            "service.shop.opt_out.start: \"NON\" is in stop as well",
        ),
    ] {
        let complaints = with(&lines).complaints();
        assert!(complaints.contains(part), "{part} in:\n{complaints}");
    }
    let allowed = with(&hook("http://127.0.0.1:9000/x"))
        .replaced("[smpp]", "[http]\nallow_private = [\"127.0.0.0/8\"]\n[smpp]");
    assert_eq!(allowed.load().expect("it is listed").settings.http_services[0].webhooks.len(), 1);
}

#[test]
fn broken_toml_and_missing_files_are_told_with_their_place() {
    let complaints = Folder::new("data_dir = \"data\"\n[smpp\ntls = 1\n").complaints();
    assert!(complaints.starts_with("trunkline.toml:2: this is not TOML: "), "{complaints}");

    let missing =
        config::load(Path::new("/nowhere/trunkline.toml")).expect_err("there is no such file").to_string();
    assert!(missing.starts_with("/nowhere/trunkline.toml: cannot be read: "), "{missing}");

    let complaints = Folder::new(&SMALL.replace("secrets/sfr", "secrets/gone")).complaints();
    assert!(complaints.contains("upstream.sfr.password_file: "), "{complaints}");
    assert!(complaints.contains("secrets/gone cannot be read"), "{complaints}");
}

#[test]
fn included_files_add_services_and_routes_and_nothing_else() {
    let folder = Folder::new(&format!("include = \"more\"\n{SMALL}"));
    folder.write(
        "more/b.toml",
        "[[service]]\nid = \"b\"\npassword_file = \"../secrets/shop\"\nsenders = \"any\"\n",
    );
    folder.write(
        "more/a.toml",
        "[[service]]\nid = \"a\"\npassword_file = \"../secrets/shop\"\nsenders = \"any\"\n",
    );
    folder.write("more/notes.txt", "this is not read");
    let settings = folder.load().expect("they are right").settings;
    let ids: Vec<_> = settings.gateway.services.iter().map(|service| service.id.as_str()).collect();
    assert_eq!(ids, ["shop", "a", "b"]);

    folder.write("more/a.toml", "data_dir = \"elsewhere\"\n[[service]]\nid = \"shop\"\npassword_file = \"../secrets/shop\"\nsenders = \"any\"\n");
    let complaints = folder.complaints();
    assert!(complaints.contains("more/a.toml:1: data_dir: unknown key"), "{complaints}");
    assert!(
        complaints
            .contains("more/a.toml:2: service.id: \"shop\" is taken by the service at trunkline.toml:8"),
        "{complaints}"
    );
}

#[test]
fn a_password_file_that_others_can_read_is_used_with_a_warning() {
    let folder = Folder::new(SMALL);
    fs::set_permissions(folder.path("secrets/shop"), fs::Permissions::from_mode(0o644))
        .expect("the file is ours");
    let loaded = folder.load().expect("it is allowed");
    let [warning] = &loaded.warnings[..] else { panic!("one warning: {:?}", loaded.warnings) };
    assert_eq!(warning.key, "service.shop.password_file");
    assert!(warning.remedy.starts_with("chmod 600 "), "{warning}");
}

#[test]
fn passwords_do_not_show_in_what_is_printed_about_settings() {
    let folder = Folder::new(SMALL);
    folder.write("secrets/shop", "hunter2\n");
    folder.write("secrets/sfr", "hunter3\n");
    let printed = format!("{:?}", folder.load().expect("it is right"));
    assert!(!printed.contains("hunter"), "{printed}");
}

/// One upstream of kind `timetochat`, with these further lines.
fn vendor(more: &str) -> String {
    format!(
        "{SMALL}[[upstream]]\nid = \"mug\"\nkind = \"timetochat\"\nservice_id = \"1\"\npassword_file = \"secrets/mug\"\n{more}"
    )
}

#[test]
fn an_upstream_by_rest_has_keys_of_its_own() {
    const URL: &str = "url = \"https://mug.example.com/mug/api/V1/\"\n";
    let loaded = Folder::new(&vendor(&format!("{URL}states = {{ cra_sms_novelty = \"expired\" }}"))).load();
    let loaded = loaded.expect("it is right");
    assert!(loaded.warnings.iter().any(|w| w.key == "upstream.mug.push_path_file"), "no pushes: a warning");
    assert_eq!(loaded.settings.vendors[0].url, "https://mug.example.com/mug/api/V1");
    assert!(loaded.settings.vendors[0].states.contains_key("NOVELTY"));
    assert!(loaded.settings.inlets.is_empty() && loaded.settings.peers.len() == 1);
    for (more, complaint) in [
        ("url = \"mug.example.com\"", "is not the URL of the API"),
        ("url = \"https://u@mug.example.com\"", "is not the URL of the API"),
        (&format!("{URL}sessions = 2"), "upstream.mug.sessions: unknown key"),
        (&format!("{URL}reserve = 20"), "leaves nothing to send with"),
        (&format!("{URL}push_path_file = \"secrets/mug\""), "does not hold 16 to 128 letters"),
        (&format!("{URL}states = {{ X = \"lost\" }}"), "upstream.mug.states.X"),
    ] {
        let complaints = Folder::new(&vendor(more)).complaints();
        assert!(complaints.contains(complaint), "{more}: {complaints}");
    }
}

#[test]
fn the_vendors_connector_is_a_profile() {
    let with = |more: &str| SMALL.replace("system_id = \"us\"", &format!("system_id = \"us\"\n{more}"));
    let settings = Folder::new(&with("profile = \"timetochat\"\nexternal_reference = 0x1501")).load();
    let settings = settings.expect("it is right").settings;
    let (upstream, peer) = (&settings.gateway.upstreams[0], &settings.peers[0]);
    assert_eq!((upstream.rate.map(|r| r.get()), upstream.mo_dedupe_ms), (Some(20), 60_000));
    assert_eq!((peer.enquire_link, peer.sessions), (Duration::from_secs(60), 1));
    assert_eq!(peer.external_reference.map(|tag| tag.0), Some(0x1501));
    for (more, complaint) in [
        ("profile = \"timetochat\"\nlong = \"udh\"", "is not understood by this SMSC"),
        ("profile = \"timetochat\"\nbind = \"transmitter+receiver\"", "is refused by this SMSC"),
        ("external_reference = 0x1300", "is no vendor's tag"),
    ] {
        let complaints = Folder::new(&with(more)).complaints();
        assert!(complaints.contains(complaint), "{more}: {complaints}");
    }
}
