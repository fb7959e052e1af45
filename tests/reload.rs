//! Reading the configuration again: what is swapped, what stays, and that a fault changes nothing.

mod support;

use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use support::esme::Esme;
use support::gateway::{Gateway, PASSWORD, PROGRAM, Site, Wanted, mo_route, route, service, upstream};
use support::smsc::{Answer, Smsc};
use support::tls::Identity;
use support::until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use trunkline::pdu::{CommandId, CommandStatus};

const TRX: CommandId = CommandId::BIND_TRANSCEIVER;

/// `trunkline reload`, asked of the site's process.
async fn reload(site: &Site, more: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(["reload", "--data-dir"]).arg(site.path("data")).args(more);
    let run = tokio::task::spawn_blocking(move || command.output());
    run.await.expect("it does not panic").expect("the program was built")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

async fn reloaded(site: &Site) -> String {
    let output = reload(site, &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    said(&output)
}

fn wanted(rest: &str) -> Wanted<'_> {
    Wanted { rest, ..Wanted::default() }
}

/// A gateway with these services in front of one SMSC, to which it is bound.
async fn start(services: &str) -> (Site, Gateway, Smsc, String) {
    let smsc = Smsc::start(None).await;
    let behind = format!("{}{}", upstream("a", smsc.addr, ""), route(&["a"], ""));
    let site = Site::new(&wanted(&format!("{services}{behind}")));
    let gateway = site.start().await;
    smsc.bound(1).await;
    (site, gateway, smsc, behind)
}

#[tokio::test]
async fn sessions_stay_bound_while_services_come_change_and_go() {
    let (site, _gateway, smsc, behind) =
        start(&format!("{}{}{}", service("stays", ""), service("changes", ""), service("goes", ""))).await;
    let mut stays = Esme::bound(site.smpp_plain, None, TRX, "stays").await;
    let mut changes = Esme::bound(site.smpp_plain, None, TRX, "changes").await;
    let mut goes = Esme::bound(site.smpp_plain, None, TRX, "goes").await;
    // What has been accepted of a service that goes still goes out.
    smsc.set(|book| book.holds_answers = true);
    goes.send("33612345678", "accepted before").await.expect("it is accepted");

    let services = format!(
        "{}{}{}",
        service("stays", ""),
        service("changes", "senders = [\"SHOP\"]"),
        service("new", "")
    );
    site.configure(&wanted(&format!("{services}{behind}{}", mo_route("new"))));
    assert_eq!(reloaded(&site).await, "reloaded: 3 service(s), 1 upstream(s)\n");

    stays.send("33612345678", "from one that stayed").await.expect("the same session");
    let refused = changes.send("33612345678", "the sender is not allowed any more").await;
    assert_eq!(refused, Err(CommandStatus::ESME_RINVSRCADR), "on the same session");
    let mut new = Esme::bound(site.smpp_plain, None, TRX, "new").await;
    new.send("33612345678", "from a new one").await.expect("it is accepted");
    let frame = goes.link.next().await;
    assert_eq!(frame.id(), CommandId::UNBIND, "its session ends in order");
    let mut again = Esme::connect(site.smpp_plain, None).await;
    assert_eq!(again.bind(TRX, "goes", PASSWORD).await, CommandStatus::ESME_RINVPASWD);

    smsc.set(|book| book.holds_answers = false);
    let seen = smsc.seen(3).await;
    assert!(seen.iter().any(|seen| seen.text == b"accepted before"), "{seen:?}");
    assert_eq!(smsc.book().sessions_made, 1, "the session with the SMSC was not touched");
    assert!(stays.receipt().await.is_receipt());
    // An MO finds the route that is new.
    smsc.mo("33612345678", "33930000000", b"hello");
    loop {
        let delivery = new.delivery().await;
        if !delivery.is_receipt() {
            assert_eq!(delivery.text, b"hello");
            break;
        }
    }
}

#[tokio::test]
async fn a_service_that_went_gets_what_it_is_owed_when_it_comes_back() {
    let (site, _gateway, smsc, behind) = start(&service("shop", "")).await;
    let mut shop = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    smsc.set(|book| book.holds_deliveries = true);
    shop.send("33612345678", "hello").await.expect("it is accepted");
    smsc.seen(1).await;
    site.configure(&wanted(&format!("{}{behind}", service("other", ""))));
    reloaded(&site).await;
    smsc.set(|book| book.holds_deliveries = false);
    until("the receipt is taken", || (smsc.book().deliveries_answered == 1).then_some(())).await;

    site.configure(&wanted(&format!("{}{}{behind}", service("other", ""), service("shop", ""))));
    reloaded(&site).await;
    let mut shop = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    assert!(shop.receipt().await.is_receipt());
}

#[tokio::test]
async fn upstreams_are_swapped_and_what_waits_goes_where_the_new_route_leads() {
    let old = Smsc::with(None, "A", |_| Answer::Silence).await;
    let new = Smsc::with(None, "B", |_| Answer::delivered()).await;
    let shop = service("shop", "");
    let site = Site::new(&wanted(&format!("{shop}{}{}", upstream("a", old.addr, ""), route(&["a"], ""))));
    let _gateway = site.start().await;
    old.bound(1).await;
    let mut esme = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    // Ten fill the window; ten wait.
    for n in 0..20 {
        esme.send("33612345678", &format!("message {n}")).await.expect("it is accepted");
    }
    old.seen(10).await;
    let behind = format!("{}{}", upstream("b", new.addr, ""), route(&["b"], ""));
    site.configure(&wanted(&format!("{shop}{behind}")));
    reloaded(&site).await;
    new.bound(1).await;
    // The ones without an answer are in doubt: they are sent again rather than lost.
    let seen = new.seen(20).await;
    assert_eq!(seen.len(), 20);
    until("it has left the old one", || (old.book().sessions == 0).then_some(())).await;
    for _ in 0..20 {
        assert!(esme.receipt().await.is_receipt(), "the same session");
    }
}

#[tokio::test]
async fn a_new_certificate_is_seen_by_new_handshakes_while_old_sessions_go_on() {
    let (site, gateway, _smsc, _) = start(&service("shop", "")).await;
    let mut before = Esme::bound(site.smpp_tls, Some(&site.connector()), TRX, "shop").await;
    let renewed = Identity::new();
    site.write("smpp.pem", &renewed.certificate_pem);
    site.write("smpp.key", &renewed.key_pem);
    // By signal this time; the log tells when.
    let sent = Command::new("kill").args(["-HUP", &gateway.pid().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "there is a kill command");
    until("it was read anew", || site.log().contains("the configuration was read anew").then_some(())).await;

    let connector = renewed.connector(rustls::ALL_VERSIONS);
    let mut after = Esme::bound(site.smpp_tls, Some(&connector), TRX, "shop").await;
    after.send("33612345678", "over the new one").await.expect("it is accepted");
    before.send("33612345678", "over the old one").await.expect("it is accepted");
    let stream = tokio::net::TcpStream::connect(site.smpp_tls).await.expect("it listens");
    let refused = site.connector().connect(support::tls::localhost(), stream).await;
    assert!(refused.is_err(), "the old certificate is shown to nobody new");
}

#[tokio::test]
async fn a_faulty_file_changes_nothing_and_every_fault_is_told() {
    let (site, _gateway, _smsc, behind) = start(&service("shop", "")).await;
    let mut shop = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    let faulty = format!("{}{behind}", service("new", "rtae = 5\nwaiting_max = 0"));
    site.configure(&wanted(&faulty));
    site.write("smpp.key", "this is no key");
    let output = reload(&site, &[]).await;
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    for part in [
        "trunkline.toml:7: smpp.certificate: ",
        "service.new.rtae: unknown key\n    did you mean rate?",
        "service.new.waiting_max: 0 is out of range",
        "the configuration has 3 problem(s); nothing has changed",
    ] {
        assert!(said(&output).contains(part), "{part} in {}", said(&output));
    }
    let json = reload(&site, &["--json"]).await;
    assert_eq!(json.status.code(), Some(2));
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("it is JSON");
    assert_eq!(json["problems"].as_array().map(Vec::len), Some(3));

    shop.send("33612345678", "it works as before").await.expect("it is accepted");
    Esme::bound(site.smpp_tls, Some(&site.connector()), TRX, "shop").await;
    let mut new = Esme::connect(site.smpp_plain, None).await;
    assert_eq!(new.bind(TRX, "new", PASSWORD).await, CommandStatus::ESME_RINVPASWD);
}

#[tokio::test]
async fn what_holds_from_the_start_only_is_named() {
    let (site, _gateway, _smsc, behind) = start(&service("shop", "")).await;
    let rest = format!("{}{behind}", service("shop", ""));
    let more =
        Wanted { smpp: "enquire_link = \"7s\"", store: "history_days = 3", rest: &rest, ..Wanted::default() };
    site.configure(&more);
    let told = reloaded(&site).await;
    assert!(told.ends_with("needs a restart: store.history_days, smpp.enquire_link\n"), "{told}");
}

/// The status of a request to the façade.
async fn asked(site: &Site, path: &str, key: &str) -> Option<u16> {
    let mut stream = tokio::net::TcpStream::connect(site.http).await.ok()?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer.split(' ').nth(1)?.parse().ok()
}

#[tokio::test]
async fn a_key_is_replaced_without_a_moment_without_any_and_the_list_of_addresses_with_it() {
    let (old, new) = ("an old key of the shop", "a new key of the shop");
    let key = |name: &str| format!("[[service.key]]\nid = \"{name}\"\nkey_file = \"{name}\"\n");
    let with = |keys: &str| service("shop", keys);
    let rest = with(&key("old"));
    let site = Site::new(&Wanted::default());
    site.write("old", old);
    site.write("new", new);
    site.configure(&Wanted { http: Some(""), rest: &rest, ..Wanted::default() });
    let gateway = site.start().await;
    let messages = "/v1/messages";
    assert_eq!(
        (asked(&site, messages, old).await, asked(&site, messages, new).await),
        (Some(200), Some(401))
    );
    let both = with(&(key("old") + &key("new")));
    site.configure(&Wanted { http: Some(""), rest: &both, ..Wanted::default() });
    reloaded(&site).await;
    assert_eq!(
        (asked(&site, messages, old).await, asked(&site, messages, new).await),
        (Some(200), Some(200))
    );
    let rest = with(&key("new"));
    site.configure(&Wanted { http: Some(""), rest: &rest, ..Wanted::default() });
    reloaded(&site).await;
    assert_eq!(
        (asked(&site, messages, old).await, asked(&site, messages, new).await),
        (Some(401), Some(200))
    );
    site.configure(&Wanted { http: Some("allow_from = [\"192.0.2.1\"]"), rest: &rest, ..Wanted::default() });
    reloaded(&site).await;
    assert_eq!(asked(&site, messages, new).await, None, "its connection is closed at once");
    assert!(gateway.terminate().await.success());
}

/// An HTTP server that reads a request on each connection and answers with the status that is wanted just then.
async fn webhook(status: Arc<AtomicU16>) -> (std::net::SocketAddr, Arc<AtomicU16>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    let addr = listener.local_addr().expect("it listens");
    let wanted = Arc::clone(&status);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut octets = vec![0; 64 << 10];
            let _ = stream.read(&mut octets).await;
            let status = wanted.load(Ordering::SeqCst);
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (addr, status)
}

/// `trunkline webhooks …`, asked of the site's process.
async fn webhooks(site: &Site, args: &[&str]) -> serde_json::Value {
    let mut command = Command::new(PROGRAM);
    command.args(["webhooks", "--json", "--data-dir"]).arg(site.path("data")).args(args);
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = run.await.expect("it does not panic").expect("the program was built");
    assert!(output.status.success(), "{}", said(&output));
    let last = String::from_utf8_lossy(&output.stdout).lines().last().map(str::to_owned);
    serde_json::from_str(&last.unwrap_or_default()).expect("it is JSON")
}

#[tokio::test]
async fn a_webhook_that_came_with_a_reload_is_told_and_what_it_refused_is_told_again() {
    let smsc = Smsc::start(None).await;
    let (addr, status) = webhook(Arc::new(AtomicU16::new(400))).await;
    let behind = format!("{}{}", upstream("a", smsc.addr, ""), route(&["a"], ""));
    let without = format!("{}{behind}", service("shop", ""));
    let hook = format!(
        "receipts = \"webhook\"\n[[service.webhook]]\nid = \"main\"\nurl = \"http://{addr}/\"\n\
         secret_file = \"secret\"\nevents = [\"receipts\"]\ndelay = \"10ms\""
    );
    let with = format!("{}{behind}", service("shop", &hook));
    let wanted = |rest| Wanted {
        http: Some("allow_private = [\"127.0.0.0/8\"]"),
        store: "checkpoint_every = \"100ms\"",
        rest,
        ..Wanted::default()
    };
    let site = Site::new(&wanted(&without));
    site.write("secret", "a secret of sixteen octets");
    let _gateway = site.start().await;
    smsc.bound(1).await;
    assert_eq!(webhooks(&site, &[]).await, serde_json::json!([]));

    site.configure(&wanted(&with));
    reloaded(&site).await;
    let mut shop = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    shop.send("33612345678", "hello").await.expect("it is accepted");
    let mut shown = serde_json::Value::Null;
    for _ in 0..600 {
        shown = webhooks(&site, &[]).await;
        let is_listed = webhooks(&site, &["dead", "shop/main"]).await[0]["kind"] == "receipt";
        if shown[0]["dead"] == 1 && is_listed {
            break;
        }
        support::pass(support::ms(50)).await;
    }
    assert_eq!((&shown[0]["id"], &shown[0]["dead"]), (&"shop/main".into(), &1.into()), "{shown}");
    status.store(204, Ordering::SeqCst);
    let told = webhooks(&site, &["retry", "shop/main", "--watch"]).await;
    assert_eq!(told["id"], "shop/main");
    for _ in 0..600 {
        shown = webhooks(&site, &[]).await;
        if shown[0]["dead"] == 0 && shown[0]["waiting"] == 0 && shown[0]["under_way"] == 0 {
            break;
        }
        support::pass(support::ms(50)).await;
    }
    assert_eq!((&shown[0]["dead"], &shown[0]["waiting"]), (&0.into(), &0.into()), "{shown}");
    let again = webhooks(&site, &["replay", "shop/main", "--after", "0"]).await;
    assert!(again["owed"].as_u64().is_some_and(|owed| owed >= 1), "{again}");
}
