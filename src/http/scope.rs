//! What of a list a caller may see: the rows of the caller's products.
//!
//! A list of several products is put together from the lists of each, so that every one is read by its own index.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{AppState, middleware::caller::Caller};
use crate::{
    core::{
        access::Right,
        hold::{Hold, Scope},
        limit::Key,
    },
    store::{
        self, Pool, dead_letter,
        product::Product,
        requirement::{Filter, Page, Reader},
    },
};

/// Where a page of requirements ends.
type Place = (DateTime<Utc>, Uuid);

/// The caller's products, by name.
pub(crate) async fn products(app: &AppState, caller: &Caller) -> store::Result<Vec<Product>> {
    let all = store::product::list(app.engine.pool()).await?;
    Ok(all.into_iter().filter(|product| caller.has(&product.name)).collect())
}

/// A page of the requirements of the caller's products.
pub(crate) async fn requirements(pool: &Pool, caller: &Caller, filter: &Filter) -> store::Result<Page> {
    let Some(names) = of_list(caller, filter.product.as_deref()) else {
        return store::requirement::list(pool, filter).await;
    };
    let mut pages = Vec::new();
    for name in names {
        let filter = Filter { product: Some(name), ..filter.clone() };
        pages.push(store::requirement::list(pool, &filter).await?);
    }
    Ok(merged(pages, usize::try_from(filter.limit).unwrap_or_default()))
}

/// The caller as the reader of a view.
pub(crate) fn reader(caller: &Caller) -> Reader {
    let who = caller.principal();
    Reader { name: who.name.clone(), login: who.login.clone(), steers: caller.may(Right::Steer) }
}

/// How many requirements a filter shows the caller, at most [`store::requirement::COUNTED`].
pub(crate) async fn count(pool: &Pool, caller: &Caller, filter: &Filter) -> store::Result<usize> {
    let mut count = 0;
    match of_list(caller, filter.product.as_deref()) {
        None => count += store::requirement::count(pool, filter).await?,
        Some(names) => {
            for name in names {
                count += store::requirement::count(pool, &Filter { product: Some(name), ..filter.clone() })
                    .await?;
            }
        }
    }
    Ok(count.min(store::requirement::COUNTED))
}

/// The dead letters of the caller's products.
pub(crate) async fn dead_letters(
    pool: &Pool,
    caller: &Caller,
    filter: &dead_letter::Filter,
    before: Option<i64>,
    limit: i64,
) -> store::Result<Vec<dead_letter::Row>> {
    let Some(names) = of_list(caller, filter.product.as_deref()) else {
        return dead_letter::list(pool, filter, before, limit).await;
    };
    let mut rows = Vec::new();
    for name in names {
        let filter = dead_letter::Filter { product: Some(name), ..filter.clone() };
        rows.extend(dead_letter::list(pool, &filter, before, limit).await?);
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.id));
    rows.truncate(usize::try_from(limit).unwrap_or_default());
    Ok(rows)
}

/// The holds that concern the caller: all but those of other products.
pub(crate) async fn holds(app: &AppState, caller: &Caller) -> store::Result<Vec<Hold>> {
    let all = store::hold::list(app.engine.pool()).await?;
    let is_mine = |hold: &Hold| match hold.scope.parse() {
        Ok(Scope::Product(name)) => caller.has(name.as_str()),
        _ => true,
    };
    Ok(all.into_iter().filter(is_mine).collect())
}

/// Whether a dead letter is of one of the caller's products.
pub(crate) async fn has_dead_letter(pool: &Pool, caller: &Caller, id: i64) -> store::Result<bool> {
    Ok(store::scope::of_dead_letter(pool, id).await?.is_none_or(|product| caller.has(&product)))
}

/// Whether a caller sees the limit of a key: a limited one sees those of its products.
pub(crate) fn has_limit(caller: &Caller, key: &str) -> bool {
    match (caller.principal().products.names(), key.parse()) {
        (None, _) => true,
        (Some(names), Ok(Key::Product(name))) => names.iter().any(|it| it == name.as_str()),
        (Some(_), _) => false,
    }
}

/// The products that a list of the caller is limited to; `None`: all.
pub(crate) fn named(caller: &Caller, wanted: Option<&str>) -> Option<Vec<String>> {
    of_list(caller, wanted).or_else(|| wanted.map(|wanted| vec![wanted.to_owned()]))
}

/// The products whose lists make up the caller's list; `None` if the list is the caller's as it is.
fn of_list(caller: &Caller, wanted: Option<&str>) -> Option<Vec<String>> {
    let names = caller.principal().products.names()?;
    Some(names.into_iter().filter(|name| wanted.is_none_or(|wanted| wanted == name)).collect())
}

/// One page of several, newest first. A page that was cut off says nothing about what is older than its end, so that
/// the newest of these ends is the end of the whole.
fn merged(pages: Vec<Page>, limit: usize) -> Page {
    let horizon: Option<Place> = pages.iter().filter_map(|page| page.next).max();
    let mut rows: Vec<_> = pages.into_iter().flat_map(|page| page.rows).collect();
    rows.sort_by_key(|row| std::cmp::Reverse((row.listed_at, row.id)));
    rows.retain(|row| horizon.is_none_or(|end| (row.listed_at, row.id) >= end));
    let is_cut = rows.len() > limit;
    rows.truncate(limit);
    let next = if is_cut { rows.last().map(|row| (row.listed_at, row.id)) } else { horizon };
    Page { rows, next }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::requirement::Row;

    fn row(at: i64) -> Row {
        let time = DateTime::from_timestamp(at, 0).unwrap();
        Row {
            id: Uuid::from_u128(u128::try_from(at).unwrap()),
            product: String::new(),
            title: String::new(),
            body: String::new(),
            priority: 3,
            requested_by: None,
            created_at: time,
            run_id: Uuid::nil(),
            status: String::new(),
            step: None,
            ended_as: None,
            repository: String::new(),
            pull: None,
            listed_at: time,
        }
    }

    fn place(at: i64) -> Place {
        (DateTime::from_timestamp(at, 0).unwrap(), Uuid::from_u128(u128::try_from(at).unwrap()))
    }

    fn page(rows: &[i64], next: Option<i64>) -> Page {
        Page { rows: rows.iter().copied().map(row).collect(), next: next.map(place) }
    }

    #[test]
    fn a_merged_page_misses_no_row_and_repeats_none() {
        let check = |pages: Vec<Page>, limit: usize, rows: &[i64], next: Option<i64>| {
            let page = merged(pages, limit);
            let at: Vec<i64> = page.rows.iter().map(|row| row.listed_at.timestamp()).collect();
            assert_eq!((at.as_slice(), page.next), (rows, next.map(place)));
        };
        check(vec![page(&[9, 7], None), page(&[8], None)], 3, &[9, 8, 7], None);
        check(vec![page(&[9, 7], None), page(&[8], None)], 2, &[9, 8], Some(8));
        // The first list goes on after 7: rows of the second that are older must wait for the next page.
        check(vec![page(&[9, 7], Some(7)), page(&[8, 2], None)], 2, &[9, 8], Some(8));
        check(vec![page(&[9, 7], Some(7)), page(&[3, 2], Some(2))], 2, &[9, 7], Some(7));
        // A search that looked at its most titles and found none.
        check(vec![page(&[], Some(5)), page(&[6, 4], None)], 2, &[6], Some(5));
        check(vec![], 2, &[], None);
    }
}
