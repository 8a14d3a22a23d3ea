//! What people do with subscriptions, each with its row of the audit log.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Engine, Error};
use crate::{
    core::notice::{Content, NoticeKind},
    store::{
        self, Connection,
        audit::{Act, Author, append},
        delivery, notice,
        subscription::{self, New, Row},
    },
};

/// The most subscriptions of a person: each of them costs a look at every notice.
const MOST: i64 = 50;

/// Why a subscription was not made. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum NotSubscribed {
    /// The database failed.
    #[error("the database failed: {0}")]
    Store(#[from] store::Error),
    /// The person has as many as one may have.
    #[error("{0} has {MOST} subscriptions, which is the most; remove one that is no longer needed")]
    TooMany(String),
}

impl Engine {
    /// Stores a subscription inside the caller's transaction.
    ///
    /// # Errors
    /// [`NotSubscribed`] says why it was not stored.
    pub async fn subscribe_in(
        &self,
        tx: &mut Connection,
        new: &New<'_>,
        by: Author<'_>,
    ) -> Result<Row, NotSubscribed> {
        if subscription::count_of(tx, new.owner).await? >= MOST {
            return Err(NotSubscribed::TooMany(new.owner.to_owned()));
        }
        subscription::insert(tx, new).await?;
        let row = subscription::get(&mut *tx, new.id).await?.ok_or(store::Error::RowNotFound)?;
        record(tx, by, "subscription.create", &row, (None, Some(view(&row)))).await?;
        Ok(row)
    }

    /// Removes a subscription with its deliveries.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn unsubscribe(&self, row: &Row, by: Author<'_>) -> Result<(), Error> {
        let mut tx = self.pool.begin().await?;
        if subscription::remove(&mut tx, row.id).await? {
            record(&mut tx, by, "subscription.remove", row, (Some(view(row)), None)).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Owes a message to a subscription that only tries it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn try_subscription_in(
        &self,
        tx: &mut Connection,
        row: &Row,
        by: Author<'_>,
    ) -> Result<(), store::Error> {
        let at = store::now(tx).await?;
        let content = Content {
            product: row.products.iter().flatten().cloned().collect::<Vec<_>>().join(", "),
            ..Content::trial(by.person, at)
        };
        let key = format!("test/{}/{}", row.id, Uuid::now_v7());
        let new = notice::New { run_id: None, key: &key, kind: NoticeKind::NeedsYou, at, content: &content };
        let put = notice::put(tx, &new).await?;
        subscription::try_again(tx, row.id).await?;
        delivery::owe(tx, put.id, None, row.id, &row.id.to_string()).await?;
        record(tx, by, "subscription.test", row, (None, Some(view(row)))).await
    }

    /// Owes the dead letters of a subscription again: these, or all of them. Returns how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn replay_deliveries(
        &self,
        row: &Row,
        ids: Option<&[Uuid]>,
        by: Author<'_>,
    ) -> Result<u64, Error> {
        let mut tx = self.pool.begin().await?;
        let count = delivery::replay(&mut tx, row.id, ids).await?;
        if count > 0 {
            subscription::try_again(&mut tx, row.id).await?;
            record(&mut tx, by, "subscription.replay", row, (None, Some(json!({ "deliveries": count }))))
                .await?;
        }
        tx.commit().await?;
        Ok(count)
    }
}

/// A subscription as the audit log has it: without what is secret of it.
fn view(row: &Row) -> Value {
    json!({
        "target": row.target, "address": row.shown, "personal": row.personal, "products": row.products,
        "kinds": row.kinds, "owner": row.owner,
    })
}

async fn record(
    tx: &mut Connection,
    by: Author<'_>,
    act: &str,
    row: &Row,
    (before, after): (Option<Value>, Option<Value>),
) -> store::Result<()> {
    let subject = row.id.to_string();
    append(tx, by, Act { act, subject: &subject, before, after, ..Act::default() }).await
}
