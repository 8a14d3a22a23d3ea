"""How a handler refuses a request."""


class HTTPException(Exception):
    def __init__(self, status, detail):
        super().__init__(detail)
        self.status = status
        self.detail = detail
