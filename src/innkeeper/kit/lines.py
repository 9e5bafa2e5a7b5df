"""What one line of text holds, and what it must not: a line that somebody typed may not become two.

Knows nothing of where lines go.
"""

import re

NOT_IN_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters, line and paragraph separators, lone surrogates."""
