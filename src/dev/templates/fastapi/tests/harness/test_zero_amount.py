"""An entry of 0 was stored once, and a statement listed a transfer that never was."""


def test_an_entry_of_zero_is_refused_and_leaves_nothing(client):
    answer = client.post("/api/v1/entries", json={"user_id": "priya@aspora.com", "amount": 0})
    assert answer.status_code == 400
    shown = client.get("/api/v1/entries", params={"user_id": "priya@aspora.com"}).json()
    assert (shown["total"], shown["entries"]) == (0, [])
