"""differential.py, for as many requests as a check may take. A check asks the same each time, so that it fails for what was
changed; MCGATE_DIFF_SEED=0 asks something new. A failure prints its seed and its conversation, to run again with
`differential.py --seed N --from CONVERSATION`; MCGATE_DIFF_REQUESTS makes it longer.
"""

import os
import random
import unittest

import differential
import harness

SEED = int(os.environ.get("MCGATE_DIFF_SEED", "2026")) or random.SystemRandom().randrange(1, 1 << 32)
REQUESTS = int(os.environ.get("MCGATE_DIFF_REQUESTS", "60000"))


@harness.needs_mcgate
class SameAsMemcached(unittest.TestCase):
    def test_same_answers_and_contents(self):
        print(f"MCGATE_DIFF_SEED={SEED} MCGATE_DIFF_REQUESTS={REQUESTS}", flush=True)
        found, conversations = differential.run(self, SEED, REQUESTS)
        print(f"{found.sent} requests in {conversations} conversations; different by design: {found.by_design}")
        self.assertGreaterEqual(found.sent, REQUESTS)


class EveryDifferenceHasAReason(unittest.TestCase):
    def test_table(self):
        for tag, (allowed, reason) in differential.DIFFERENCES.items():
            self.assertTrue(callable(allowed), tag)
            self.assertGreater(len(reason.split()), 5, tag)


if __name__ == "__main__":
    unittest.main()
