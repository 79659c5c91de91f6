"""Make the messy files of `guesses.py`, always the same ones."""

from collections.abc import Callable

import numpy as np
import pandas as pd

SEED = 5


def _wave(count: int, *seasons: int, level: float = 200.0) -> pd.Series:
    """Return values with a slow trend and the given seasons."""
    random, at = np.random.default_rng((SEED, count)), np.arange(count)
    waves = sum(level / 5 * np.sin(2 * np.pi * at / season) for season in seasons)
    return pd.Series((level + at * level / count / 2 + waves + random.normal(0, level / 30, count)).round(1))


def _csv(**columns: object) -> str:
    return pd.DataFrame(columns).to_csv(index=False)


def _periods(start: str, count: int, frequency: str) -> pd.PeriodIndex:
    return pd.period_range(start, periods=count, freq=frequency)


def _quarters(shape: str, count: int = 80) -> list[str]:
    return [shape.format(each.year, each.quarter) for each in _periods("1960Q1", count, "Q")]


def _iso_weeks() -> str:
    days = pd.date_range("1991-02-04", periods=260, freq="W-MON").isocalendar()
    weeks = [f"{year} W{week:02}" for year, week in zip(days["year"], days["week"], strict=True)]
    return _csv(week=weeks, visits=_wave(260, 52))


def _space_quarters() -> str:
    parts = [
        pd.DataFrame({"Quarter": _quarters("{} Q{}", 60), "Region": region, "Trips": _wave(60, 4, level=level)})
        for region, level in (("North", 300.0), ("South", 90.0))
    ]
    return pd.concat(parts, ignore_index=True).to_csv()


def _day_and_hour() -> str:
    hours = pd.date_range("2021-01-01", periods=24 * 90, freq="h")
    return _csv(year=hours.year, doy=hours.dayofyear, hour=hours.hour, load=_wave(len(hours), 24))


def _rows(count: int = 300) -> tuple[np.random.Generator, pd.DataFrame]:
    """Return a table of homes, and the generator for more columns."""
    random = np.random.default_rng((SEED, count))
    size = random.normal(80, 20, count).round(1)
    homes = pd.DataFrame({"size": size, "rooms": (size / 25).round(), "town": random.choice(["Ulm", "Kiel"], count)})
    return random, homes


def _sum_of_columns() -> str:
    random, homes = _rows()
    shop, online = random.gamma(9, 20, 300).round(2), (homes["size"] * 3 + random.normal(0, 20, 300)).round(2)
    return homes.assign(shop=shop, online=online, total=(shop + online).round(2)).to_csv(index=False)


def _logarithm() -> str:
    random, homes = _rows()
    rent = (homes["size"] * 11 + random.normal(0, 60, 300)).clip(90).round()
    return homes.assign(rent=rent, log_rent=np.log(rent)).to_csv(index=False)


def _lonely_class() -> str:
    random, homes = _rows(200)
    kind = np.where(homes["size"] + random.normal(0, 9, 200) > 80, "house", "flat").astype(object)
    kind[17] = "castle"
    return homes.assign(kind=kind).to_csv(index=False)


def _namibia() -> str:
    random, homes = _rows()
    country = random.choice(["NA", "ZA", "BW", ""], 300, p=[0.3, 0.4, 0.25, 0.05])
    price = (homes["size"] * 900 + (country == "NA") * 9000 + random.normal(0, 5000, 300)).round()
    return homes.assign(country=country, price=price).to_csv(index=False)


def _nearly_empty() -> str:
    random, homes = _rows(1000)
    churn = np.where(random.random(1000) < 0.1 + 0.3 * (homes["town"] == "Ulm"), "yes", "no")
    coupon = [round(value, 1) if value > 99 else None for value in random.uniform(0, 100, 1000)]
    return _csv(churn=churn, coupon=coupon, **{str(name): homes[name] for name in homes})


def _row_names() -> str:
    random = np.random.default_rng(SEED)
    rain = random.normal(600, 90, 120).round()
    names = [f"plot {chr(65 + at % 26)}{at}" for at in range(120)]
    return pd.DataFrame(
        {"plot": names, "rain": rain, "yield": (rain / 90 + random.normal(0, 0.6, 120)).round(2)}
    ).to_csv()


def _german() -> str:
    days = pd.date_range("2018-12-31", periods=500, freq="D").strftime("%d.%m.%Y")
    frame = pd.DataFrame({"Datum": days, "Umsatz": _wave(500, 7), "Retouren": _wave(500, 7, level=10.0)})
    return frame.to_csv(index=False, sep=";", decimal=",")


def _footer() -> str:
    values = _wave(120, 12, level=9000.0).round().astype(int)
    months = _periods("2010-01", 120, "M").strftime("%Y-%m")
    lines = [f'{month},"{value:,}"' for month, value in zip(months, values, strict=True)]
    return "\n".join(["Month,Revenue", *lines, f'Total,"{values.sum():,}"', "", "Source: accounting", ""])


def _used_cars() -> str:
    random = np.random.default_rng(SEED)
    year, km = random.integers(2001, 2021, 400), random.gamma(4, 20000, 400).round()
    price = ((year - 1995) * 900 - km / 40 + random.normal(0, 900, 400)).clip(500).round()
    makers = random.choice(["Opel", "Fiat", "Audi"], 400)
    return _csv(id=np.arange(7001, 7401), year=year, maker=makers, price=price, km=km)


def _tickets() -> str:
    random = np.random.default_rng(SEED)
    words = {"billing": "invoice refund card charged tax", "login": "password reset locked code mail"}
    team = random.choice([*words], 240)
    texts = [
        f"My {' '.join(random.choice(words[each].split(), 3))} since {random.integers(2, 90)} days" for each in team
    ]
    days = pd.date_range("2024-01-01", periods=240, freq="5h").strftime("%Y-%m-%d")
    return _csv(ticket=[f"T-{at}" for at in range(4000, 4240)], created=days, text=texts, team=team)


def _promotion() -> str:
    random = np.random.default_rng(SEED)
    promotion = (random.random(414) < 0.2).astype(int)
    sales = (_wave(414, 7) + 70 * promotion).round(1).where(np.arange(414) < 400)
    return _csv(date=pd.date_range("2023-01-01", periods=414).strftime("%Y-%m-%d"), sales=sales, promotion=promotion)


MADE: dict[str, Callable[[], str]] = {
    "tsibble_months": lambda: _csv(index=_periods("1960-01", 180, "M").strftime("%Y %b"), value=_wave(180, 12)),
    "slash_months": lambda: _csv(month=_periods("1960-01", 180, "M").strftime("%m/%Y"), orders=_wave(180, 12)),
    "iso_weeks": _iso_weeks,
    "dash_quarters": lambda: _csv(quarter=_quarters("{}-Q{}"), gdp=_wave(80, 4)),
    "decimal_quarters": lambda: _csv(time=1982.25 + np.arange(100) / 4, y=_wave(100, 4)),
    "space_quarters": _space_quarters,
    "excel_months": lambda: _csv(Month=_periods("1960-01", 144, "M").strftime("%b-%y"), Sales=_wave(144, 12)),
    "pandas_weeks": lambda: pd.Series(_wave(208, 52).to_numpy(), _periods("2015-01-05", 208, "W")).to_csv(),
    "day_and_hour": _day_and_hour,
    "sum_of_columns": _sum_of_columns,
    "logarithm": _logarithm,
    "lonely_class": _lonely_class,
    "namibia": _namibia,
    "nearly_empty": _nearly_empty,
    "row_names": _row_names,
    "two_seasons": lambda: _csv(time=pd.date_range("2024-01-01", periods=2016, freq="h"), load=_wave(2016, 24, 168)),
    "german": _german,
    "footer": _footer,
    "used_cars": _used_cars,
    "tickets": _tickets,
    "promotion": _promotion,
}
