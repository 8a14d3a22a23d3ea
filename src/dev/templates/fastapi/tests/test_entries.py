from services.entry_service import LARGEST_AMOUNT

USER = "priya@aspora.com"


def add(client, **changes):
    answer = client.post("/api/v1/entries", json={"user_id": USER, "amount": 1250, **changes})
    return answer.status_code, answer.json()


def of(client, user_id=USER):
    return client.get("/api/v1/entries", params={"user_id": user_id}).json()


def test_an_entry_is_stored_and_counted(client):
    assert add(client, note="deposit") == (201, {"id": 1, "user_id": USER, "amount": 1250, "note": "deposit"})
    assert add(client, amount=-250)[0] == 201
    assert of(client) == {
        "user_id": USER,
        "total": 1000,
        "entries": [{"id": 2, "amount": -250, "note": ""}, {"id": 1, "amount": 1250, "note": "deposit"}],
    }


def test_users_are_apart(client):
    add(client)
    assert of(client, "ada@aspora.com") == {"user_id": "ada@aspora.com", "total": 0, "entries": []}


def test_the_total_follows_each_entry_although_it_is_cached(client):
    add(client)
    assert (of(client)["total"], of(client)["total"]) == (1250, 1250)
    add(client)
    assert of(client)["total"] == 2500


def test_without_the_cache_the_answer_is_the_same(without_cache):
    assert add(without_cache)[0] == 201
    assert of(without_cache)["total"] == 1250
    assert add(without_cache)[0] == 201
    assert of(without_cache)["total"] == 2500


def test_what_is_wrong_is_named(client):
    assert add(client, amount=0) == (400, {"error": "amount: an entry of 0 says nothing"})
    assert add(client, amount=LARGEST_AMOUNT + 1) == (400, {"error": f"amount: at most {LARGEST_AMOUNT}"})
    assert add(client, amount="much") == (400, {"error": "amount: Input should be a valid integer"})
    assert add(client, user_id="")[0] == 400
    assert client.post("/api/v1/entries", content="{").status_code == 400
    assert client.get("/api/v1/entries").json() == {"error": "user_id: Field required"}
