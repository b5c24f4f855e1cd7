"""How nbgrader grades the notebooks; GRADING.md has the commands. This folder is the course's root."""

import os

os.environ["PYTHONWARNINGS"] = "ignore"  # nbgrader takes the point away where a right answer makes torch warn

c = get_config()  # noqa: F821, nbgrader defines it
c.CourseDirectory.course_id = "adversarial-examples"
c.ClearSolutions.enabled = False  # the notebooks have stubs already, with signatures that nbgrader's own would lose
c.Execute.timeout = 300  # seconds for a cell
c.FileNameCollectorPlugin.named_regexp = (
    r".*[/\\](?P<student_id>[^/\\_]+)_(?P<file_id>[^/\\]+)$"  # anna_1_adversarial_examples.ipynb
)
