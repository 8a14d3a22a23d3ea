//! Reading: days and months come to the same, and so do runs and buckets.

use aspora::{
    core::measure::{Range, Sum},
    store::measure::{self, Behind, Filter},
};
use chrono::NaiveDate;

use super::support::TestEngine;

/// 300 merged runs of 400 days, made up: those of even numbers are of `wealth`.
async fn made_up() -> TestEngine {
    let test = TestEngine::new().await;
    test.execute("insert into product (name, repository) values ('goals', 'acme/goals')").await;
    test.execute(
        "insert into run_measure (run, counted_at, day, product, tier, cycle_ms, first_pull_ms, cycle_bucket,
                                  first_pull_bucket, loop_minutes, first_pull_minutes, figures)
         select gen_random_uuid(), at, at::date, case n % 2 when 0 then 'wealth' else 'goals' end,
                case n % 3 when 0 then 'low' else 'high' end, n * 60000, n * 1000, 0, 0, 60, 60,
                jsonb_build_object('merged', 1, 'ended', 1, 'cycle', n * 60000, 'cost', n)
         from generate_series(1, 300) n
         cross join lateral (select timestamptz '2025-01-01 12:00Z' + n * interval '32 hours' as at) its",
    )
    .await;
    // The sums are put right from the rows.
    assert!(measure::rebuild(test.pool()).await.unwrap().corrected > 0);
    test
}

fn filter(from: &str, to: &str, product: Option<&str>, tier: Option<&str>) -> Filter {
    let day = |text: &str| text.parse::<NaiveDate>().unwrap();
    Filter {
        range: Range::new(day(from), day(to)).unwrap(),
        products: product.map(|name| vec![name.to_owned()]),
        tier: tier.map(str::to_owned),
    }
}

async fn total(test: &TestEngine, filter: &Filter, figure: &str) -> Sum {
    let rows = measure::sums(test.pool(), filter).await.unwrap();
    let mine = rows.into_iter().filter(|(_, name, _)| name == figure);
    mine.fold(Sum::default(), |all, (.., sum)| Sum {
        runs: all.runs + sum.runs,
        amount: all.amount + sum.amount,
    })
}

#[tokio::test]
async fn long_ranges_and_short_ones_give_what_the_rows_give() {
    let test = made_up().await;
    for (from, to, product, tier) in [
        ("2025-01-01", "2026-03-01", None, None),
        ("2025-02-11", "2025-09-30", None, None),
        ("2025-02-11", "2025-09-30", Some("wealth"), Some("low")),
        ("2025-03-01", "2025-03-31", Some("goals"), None),
        ("2025-03-05", "2025-03-05", None, None),
    ] {
        let filter = filter(from, to, product, tier);
        let sum = total(&test, &filter, "cost").await;
        let (product, tier) = (product.unwrap_or("%"), tier.unwrap_or("%"));
        let direct: i64 = test
            .query(&format!(
                "select coalesce(sum((figures->>'cost')::bigint), 0)::bigint from run_measure
                 where day between '{from}' and '{to}' and product like '{product}' and tier like '{tier}'"
            ))
            .await;
        assert_eq!(sum.amount, direct, "{from} {to}");
        let spread = measure::spread(test.pool(), &filter, "cycle", sum.runs).await.unwrap();
        assert_eq!((spread.runs, spread.is_exact), (sum.runs, true));
    }
    let none = Filter { products: Some(Vec::new()), ..filter("2025-01-01", "2026-03-01", None, None) };
    assert_eq!(total(&test, &none, "merged").await, Sum::default());
}

#[tokio::test]
async fn quantiles_are_spans_of_runs_and_of_many_runs_are_near_them() {
    let test = made_up().await;
    let filter = filter("2025-01-01", "2026-03-01", None, None);
    let exact = measure::spread(test.pool(), &filter, "cycle", 300).await.unwrap();
    assert_eq!((exact.median, exact.p90), (Some(150 * 60_000), Some(270 * 60_000)));
    for n in 1..=300_i64 {
        let bucket = aspora::core::measure::bucket(n * 60_000);
        test.execute(&format!(
            "update run_measure set cycle_bucket = {bucket} where cycle_ms = {}",
            n * 60_000
        ))
        .await;
    }
    measure::rebuild(test.pool()).await.unwrap();
    let rough = measure::spread(test.pool(), &filter, "cycle", 1_000_000).await.unwrap();
    assert_eq!((rough.runs, rough.is_exact), (300, false));
    for (rough, exact) in [(rough.median, exact.median), (rough.p90, exact.p90)] {
        let (rough, exact) = (rough.unwrap(), exact.unwrap());
        assert!((rough - exact).abs() * 1000 <= exact * 23, "{rough} {exact}");
    }
}

#[tokio::test]
async fn the_runs_behind_a_figure_are_listed_page_by_page_each_once() {
    let test = made_up().await;
    let filter = filter("2025-01-01", "2026-03-01", Some("wealth"), None);
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let wanted = Behind { figure: "merged", before, limit: 11 };
        let rows = measure::behind(test.pool(), &filter, wanted).await.unwrap();
        let Some(last) = rows.last() else { break };
        before = Some((last.counted_at, last.run));
        seen.extend(rows.into_iter().map(|row| (row.counted_at, row.run)));
    }
    assert_eq!(seen.len(), 150);
    assert!(seen.windows(2).all(|pair| pair[0] > pair[1]));
    let wanted = Behind { figure: "unknown", before: None, limit: 11 };
    assert!(measure::behind(test.pool(), &filter, wanted).await.unwrap().is_empty());
}
