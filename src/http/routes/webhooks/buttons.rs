//! The buttons of our check run: a person's order to a run. It counts if that person may write to the repository,
//! which the forge is asked, and once a delivery.

use super::{ignored, known};
use crate::{
    activities::{orders, run_of_check},
    api::{Receipt, ReceiptResult},
    core::reason::Reason,
    engine::{self, Control, Verb},
    github::{
        Button,
        webhook::{NamedRepository, Press},
    },
    http::{AppState, middleware::error::Error},
    store::{self, run::StoredRun, signal},
};

/// Does what a button asks for, or says in the run's history why not.
pub(super) async fn pressed(
    app: &AppState,
    delivery: &str,
    repository: &NamedRepository,
    press: &Press,
) -> Result<Receipt, Error> {
    let Some(stored) = run(app, repository, press).await? else {
        return Ok(ignored("no run here made this check run"));
    };
    let (id, asked, by) =
        (stored.spec.id, press.button.label(), press.by.as_ref().map_or("ghost", |by| &by.login));
    let barred = barred(app, &stored, press).await?;
    // A person who is known here acts under the name that is known here.
    let person = store::api_key::person_of_login(app.engine.pool(), by).await?;
    let by = person.as_deref().unwrap_or(by);
    let mut tx = app.engine.pool().begin().await?;
    if !signal::note(&mut tx, delivery, &stored.spec.repository, id).await? {
        return Ok(known());
    }
    if let Some(why) = barred {
        app.engine.not_permitted_in(&mut tx, id, by, asked, &why).await?;
        tx.commit().await?;
        return Ok(Receipt::new(ReceiptResult::Refused, why));
    }
    let verb = verb(app, press.button, &stored).await?;
    let reason: Reason = format!("`{asked}` on the check run").parse().map_err(|_| Error::internal())?;
    let control = match app.engine.control_in(&mut tx, id, &verb, by, &reason).await {
        Ok(control) => control,
        Err(error @ (engine::Error::Denied(_) | engine::Error::Refused(_))) => {
            return Ok(Receipt::new(ReceiptResult::Refused, error.to_string()));
        }
        Err(error) => return Err(error.into()),
    };
    tx.commit().await?;
    Ok(Receipt::new(
        ReceiptResult::Done,
        match control {
            Control::Applied => format!("`{asked}` by {by}"),
            Control::Unchanged => "the run was in that state already".to_owned(),
        },
    ))
}

/// The run that made the check run, if it is in this repository.
async fn run(
    app: &AppState,
    repository: &NamedRepository,
    press: &Press,
) -> Result<Option<StoredRun>, Error> {
    let Some(id) = run_of_check(&press.check) else { return Ok(None) };
    let stored = store::run::get(app.engine.pool(), id).await?;
    let name = repository.name.to_string();
    Ok(stored.filter(|stored| stored.spec.repository.eq_ignore_ascii_case(&name)))
}

/// Why this person's order does not count.
async fn barred(app: &AppState, stored: &StoredRun, press: &Press) -> Result<Option<String>, Error> {
    let Some(by) = &press.by else {
        return Ok(Some("GitHub names nobody who used the button".to_owned()));
    };
    let Some(forge) = &app.settings.forge else {
        return Ok(Some("this server cannot ask GitHub what its people may do".to_owned()));
    };
    let name = stored.spec.repository.parse().map_err(|_| Error::internal())?;
    let login = &by.login;
    Ok(orders::barred(forge, &name, by)
        .await
        .unwrap_or_else(|error| Some(format!("GitHub did not say what {login} may do in {name}: {error}"))))
}

/// The control that a button stands for.
async fn verb(app: &AppState, button: Button, stored: &StoredRun) -> Result<Verb, Error> {
    match button {
        Button::TakeOver => Ok(Verb::TakeOver),
        Button::RerunGate => {
            Ok(orders::look_again(stored, &*app.engine.workflow(&stored.spec.workflow_hash).await?))
        }
    }
}
