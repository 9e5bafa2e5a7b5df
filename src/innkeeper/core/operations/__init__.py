"""Operations: what was asked of servers, durable and explained, until it is done or has honestly failed."""
