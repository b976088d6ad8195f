"""The words, figures and marks of the screens, as their help explains them."""

from __future__ import annotations

Terms = tuple[tuple[str, str], ...]  # what is on the screen, and what it says

_INTERVALS = ("50%, 80%, 95%", "Intervals: of a calibrated forecast's, that share holds what comes")
_ORIGIN = ("origin", "When a forecast begins; nothing later was used")
_CRPS = ("CRPS", "Distance of a forecast from what came, in posts; less is better")
_SKILL = ("skill", "How much lower the CRPS is than another's; 0 is no better")
_PIT = ("PIT", "Where what came lies in the forecast; flat bars are calibrated")
_PACE = ("pace", "Posts an hour so far, and the total if that goes on")
_USUAL_RATE = ("usual", "The rate that the hours still to come usually have")
_CHAMPION = ("champion", "The version that forecasts are made with; p promotes")

OVERVIEW: Terms = (
    ("✓ ! –", "As new as it should be; late; not there yet"),
    ("usual, 1.4×", "Median at this point of the last 28 days; 1.4 times as many"),
    ("left, at pace", "Time to the window's end; its total at the pace so far"),
    ("95%", "An interval that holds the total in 95 of 100 cases"),
    ("likeliest, age", "The bracket with the highest chance; how old the forecast is"),
)
MIGRATIONS: Terms = (
    ("✓ ○", "Applied; pending: not applied yet"),
    ("drift", "Where the schema is not what this program expects; v looks"),
    ("base", "No step at all: what lies below the first one"),
)
MODELS: Terms = (
    _CHAMPION,
    ("challenger", "The version that is tried beside the champion"),
    ("RMSE, MAE", "Errors of hourly counts in the training's backtest, in posts"),
    ("MAPE", "The same error as a share of the count"),
    ("95% held", "Share of scored hours inside their 95% interval; 95% is right"),
    ("Fit", "✓ converged; ! and how many warnings: enter tells them"),
)
VERSIONS: Terms = (
    ("≠", "This line differs"),
    ("◂ ▸", "Points at the version with the better score"),
    ("Difference", "The second less the first"),
)
BACKTESTS: Terms = (
    ("Origins", "Times at which each model forecasts as it would have then"),
    ("Refused", "Forecasts that a model would not make, for want of data"),
    ("the curve", "• the score of an origin; the line is their mean so far"),
    _CRPS,
)
BACKTEST: Terms = (
    ("Hourly, 1st day", "CRPS of single hours: of 7 days, of the first 24 hours"),
    ("1st h", "CRPS of the first hour"),
    ("24 h, 7 d, Play", "CRPS of totals: of a day, a week, a window in play"),
    ("Log", "Log score of the week's brackets; less is better"),
    ("* ◆ ▾", "The best; the baseline; the score that sorts"),
    ("24 h 50/95 ↑ ↓", "% of totals inside 50 and 95%; above and below the 95%"),
    ("ms, n, Ref.", "Time a forecast, origins scored, forecasts refused"),
    _CRPS,
    _SKILL,
    _PIT,
)
BACKTEST_PAIR: Terms = (
    ("First better", "How much lower the first's score is, on the origins of both"),
    _CRPS,
    _SKILL,
)
FORECASTS: Terms = (
    ("From, Ahead", "The origin, when the forecast begins; how far it reaches"),
    _INTERVALS,
    ("Happened", "The count that came; red where it is outside 95%"),
    ("mean", "The expected count; an hour's own count scatters around it"),
    ("◆ and tint", "An outside event, and how long it takes"),
    _CHAMPION,
)
WINDOWS: Terms = (
    ("fri-noon", "Noon ET Friday to noon ET Friday; tue-noon alike"),
    ("48h, month", "Two days from the last noon ET on; the calendar month in ET"),
    ("✗ dead", "The count has passed this bracket"),
    ("▶", "The bracket that the count so far is in"),
    ("Or more", "The chance of this bracket or any above it"),
    ("if 440+", "Chances of the forecast, of its totals that 440 leaves possible"),
    ("approx.", "Between the brackets that were forecast; n forecasts these"),
    ("none at 440", "So many were hardly forecast: n forecasts anew"),
    _PACE,
    _USUAL_RATE,
    ("to enter", "Posts an hour from now on to reach the bracket"),
    ("to overrun", "Posts an hour from now on to pass it"),
    _INTERVALS,
)
WHAT_IF: Terms = (
    ("With, Without", "The forecast with the events, and without them"),
    ("Difference", "With less without, from the same random numbers"),
    _INTERVALS,
)
CALIBRATION: Terms = (
    ("Apart", "How many do not overlap: how much evidence there is"),
    ("Log", "Minus the log of the chance of the bracket that came"),
    ("Chance, Said, Came", "Brackets by the chance they were given; the share that came"),
    ("Ahead, n", "How far the forecasts reach; how many were scored"),
    ("50%, 80%, 95%", "Share of what came inside that interval; the same is right"),
    _CRPS,
    _SKILL,
    _PIT,
    _ORIGIN,
)
ALERTS: Terms = (
    ("✗ ! i", "How bad it is: an error, a warning, a piece of news"),
    ("open, seen, over", "Nobody has acknowledged it; somebody has; it is no longer so"),
    ("rule", "A condition that the service looks at once a minute"),
    ("cooldown", "Minutes before the same is told again"),
)
SERVICE: Terms = (
    ("service", "One process that follows, counts, scores, forecasts and trains by itself"),
    ("step", "What it does when its time has come; each is a run of its own"),
    ("heartbeat", "The last sign of life; without one for long it counts as lost"),
)
SETTINGS: Terms = (
    ("from", "What said so: the default, the file, .env or the environment; the later wins"),
    ("variable", "The environment variable that overrides the file"),
)
COVERAGE: Terms = (
    ("observed", "Somebody looked: an hour without posts was quiet, and is a zero"),
    ("hole", "Nobody looked: an hour that no model sees as a zero; f fetches it"),
    ("posts of", "Which kinds were looked at; all, or without replies"),
)
