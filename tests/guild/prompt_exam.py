"""An exam that gives way to nobody, as other tests keep the machine busy.

python -m tests.guild.prompt_exam HOME TASK DEVICE
"""

import sys
from pathlib import Path

from realm.core.paths import Home
from realm.scrolls.exam_task import main

if __name__ == "__main__":
    main(Home(Path(sys.argv[1])), Path(sys.argv[2]), *sys.argv[3:])
