//! `POST /reload`: the configuration is read again, by whoever knows where it lies.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::{Admin, Operator};
use crate::http::problem::Problem;

/// Somebody asks for a reload, and waits for what becomes of it.
#[derive(Debug)]
pub struct ReloadAsked(pub oneshot::Sender<Reloaded>);

/// What became of a reload.
#[derive(Clone, Debug)]
pub enum Reloaded {
    /// The new configuration is in force.
    Done {
        /// What is allowed in it but probably not meant.
        warnings: Vec<Complaint>,
        /// Keys that differ from what the process was started with, and hold after a restart.
        needs_restart: Vec<String>,
        /// Services there are now.
        services: usize,
        /// Upstreams there are now.
        upstreams: usize,
    },
    /// It has these faults, and nothing has changed.
    Refused(Vec<Complaint>),
    /// It is good, but could not be put in force; why.
    Failed(String),
}

/// One thing that is wrong with the configuration, as `trunkline check` tells it.
#[derive(Clone, Debug, Serialize)]
pub struct Complaint {
    /// Its file.
    pub file: String,
    /// Its line, from 1; 0 when the whole file is meant.
    pub line: usize,
    /// The key, with the section it stands in.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// Reloads that may be asked for at once; more wait.
const ASKED_MAX: usize = 4;

impl Admin {
    /// From now on reloads can be asked for: they come out here, and are to be answered. A second call gets what the
    /// first one does not have any more, which is nothing.
    pub fn reloads(&self) -> mpsc::Receiver<ReloadAsked> {
        let (asked, reloads) = mpsc::channel(ASKED_MAX);
        let _ = self.0.reload.set(asked);
        reloads
    }
}

pub(super) async fn reload(operator: Operator) -> Result<Response, Problem> {
    let Some(ask) = operator.0.0.reload.get() else {
        let detail = "this process was started without a configuration file";
        return Err(Problem::new(StatusCode::CONFLICT, "no_configuration", detail));
    };
    let (answer, told) = oneshot::channel();
    let asked = ask.send(ReloadAsked(answer)).await;
    let told = match asked {
        Ok(()) => told.await.ok(),
        Err(_) => None,
    };
    match told {
        Some(Reloaded::Done { warnings, needs_restart, services, upstreams }) => Ok(Json(json!({
            "services": services,
            "upstreams": upstreams,
            "warnings": warnings,
            "needs_restart": needs_restart,
        }))
        .into_response()),
        Some(Reloaded::Refused(problems)) => {
            let detail = format!("the configuration has {} problem(s); nothing has changed", problems.len());
            let body = json!({ "code": "configuration", "detail": detail, "problems": problems });
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response())
        }
        Some(Reloaded::Failed(why)) => Err(Problem::not_now(why)),
        None => Err(Problem::not_now("stopping")),
    }
}
