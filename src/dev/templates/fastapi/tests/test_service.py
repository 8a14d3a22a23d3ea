import pytest
import uvicorn

import service
from lib import database, settings


def test_the_page_and_its_script_are_served(client):
    assert "@@product@@" in client.get("/").text
    assert "fetch" in client.get("/frontend/app.js").text
    missing = client.get("/nowhere")
    assert (missing.status_code, missing.json()) == (404, {"error": "Not Found"})


def test_health_says_whether_database_and_cache_answer(client):
    assert client.get("/healthz").json() == {"status": "ok"}


def test_health_names_what_does_not_answer(without_cache):
    answer = without_cache.get("/healthz")
    assert (answer.status_code, answer.json()) == (503, {"error": "ConnectionError"})


def test_a_migration_is_applied_once_and_a_broken_one_leaves_nothing(client, tmp_path):
    pool = client.app.state.pool
    (tmp_path / "9001_note.sql").write_text("create table scratch (id int);")
    database.migrate(pool, tmp_path)
    database.migrate(pool, tmp_path)
    (tmp_path / "9002_broken.sql").write_text("drop table scratch; select nothing;")
    with pytest.raises(database.ERRORS):
        database.migrate(pool, tmp_path)
    with pool.connection() as connection:
        assert connection.execute("select count(*) as rows from scratch").fetchone() == {"rows": 0}
        connection.execute("drop table scratch; delete from migration where name like '9%'")


def test_without_a_setting_the_service_says_which(monkeypatch):
    monkeypatch.delenv("DATABASE_URL")
    with pytest.raises(SystemExit, match="DATABASE_URL is not set"):
        settings.required("DATABASE_URL")


def test_main_serves_where_it_is_asked_to(monkeypatch):
    served = {}
    monkeypatch.setattr(uvicorn, "run", lambda app, **where: served.update(where, title=app.title))
    service.main(["--port", "8123"])
    assert served == {"host": "127.0.0.1", "port": 8123, "title": "@@product@@"}
