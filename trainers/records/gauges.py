"""The gauges in `run_logs/timers.json`: newest value and range of each TensorBoard tag."""

from collections.abc import Mapping


def add_gauges(gauges: dict[str, dict[str, float]], behavior: str, values: Mapping[str, float]) -> None:
    """Add the values of a summary to gauges, under the names of ML-Agents' `timers.json`.

    Args:
        gauges: newest value and range by name; changed in place.
        behavior: the behavior's name.
        values: one number for each TensorBoard tag.
    """
    for tag, value in values.items():
        name = f"{behavior}.{tag.replace('/', '.').replace(' ', '')}.mean"
        known = gauges.get(name, {"min": value, "max": value, "count": 0})
        gauges[name] = {
            "value": value,
            "min": min(known["min"], value),
            "max": max(known["max"], value),
            "count": known["count"] + 1,
        }
