//! Lists return every requirement once and in order, page by page.

use aspora::{
    bench::fill::Fill,
    store::requirement::{self, Filter},
};
use uuid::Uuid;

use super::{base::filled, support::TestEngine};

/// All pages of a list, and how many there were.
async fn all(test: &TestEngine, filter: &Filter) -> (Vec<Uuid>, usize) {
    let (mut found, mut pages, mut filter) = (Vec::new(), 0, filter.clone());
    loop {
        let page = requirement::list(test.pool(), &filter).await.unwrap();
        assert!(page.rows.len() <= usize::try_from(filter.limit).unwrap());
        found.extend(page.rows.into_iter().map(|row| row.id));
        pages += 1;
        match page.next {
            Some(next) => filter.before = Some(next),
            None => return (found, pages),
        }
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test]
async fn every_list_returns_each_of_its_requirements_once_newest_first() {
    let test = TestEngine::new().await;
    filled(&test, Fill { runs: 700, days: 90, products: 3, ..Fill::default() }).await;
    let waiting = test.accept().await;
    test.execute(&format!("update run set status = 'waiting' where id = '{waiting}'")).await;
    test.accept().await;
    let check = async |filter: Filter, condition: &str| {
        let sql = format!(
            "select coalesce(array_agg(q.id order by q.created_at desc, q.id desc), '{{}}')
             from requirement q join run r on r.requirement_id = q.id where {condition}"
        );
        let expected: Vec<Uuid> = test.query(&sql).await;
        assert!(!expected.is_empty(), "{condition}");
        for limit in [100, 7] {
            let (found, _) = all(&test, &Filter { limit, ..filter.clone() }).await;
            assert_eq!(found, expected, "{condition}, {limit} a page");
        }
    };
    check(Filter::default(), "true").await;
    check(Filter { product: some("filled-1"), ..Filter::default() }, "q.product = 'filled-1'").await;
    check(Filter { text: some("REQUIREMENT 69"), ..Filter::default() }, "q.title like '%requirement 69%'")
        .await;
    for state in ["active", "waiting", "ended", "failed", "cancelled"] {
        let condition = format!("'{state}' in (r.status, r.ended_as)");
        check(Filter { state: some(state), ..Filter::default() }, &condition).await;
        if state != "active" && state != "waiting" {
            let filter = Filter { state: some(state), product: some("filled-2"), ..Filter::default() };
            check(filter, &format!("{condition} and q.product = 'filled-2'")).await;
            let filter = Filter { state: some(state), text: some("13"), ..Filter::default() };
            check(filter, &format!("{condition} and q.title like '%13%'")).await;
        }
    }
}

#[tokio::test]
async fn a_search_continues_where_the_scan_of_its_page_ended() {
    let test = TestEngine::new().await;
    filled(&test, Fill { runs: 20_100, events: 2, days: 1, products: 2, first: 1 }).await;
    // The oldest of all, beyond what one page scans.
    test.execute(
        "update requirement set title = 'A Needle'
             where id = (select id from requirement order by created_at, id limit 1)",
    )
    .await;
    let filter = Filter { text: some("needle"), limit: 100, ..Filter::default() };
    let first = requirement::list(test.pool(), &filter).await.unwrap();
    assert!(first.rows.is_empty());
    let second =
        requirement::list(test.pool(), &Filter { before: first.next, ..filter.clone() }).await.unwrap();
    assert_eq!(second.rows[0].title, "A Needle");
    assert!(second.next.is_none());
    let product = Some(second.rows[0].product.clone());
    let (found, pages) = all(&test, &Filter { product, ..filter }).await;
    assert_eq!(
        (found, pages),
        (vec![second.rows[0].id], 1),
        "a product with fewer requirements is scanned in one page"
    );
}
