"""How nbgrader grades the notebooks; GRADING.md has the commands. This folder is the course's root."""

import os

from nbgrader.preprocessors import CheckCellMetadata, ClearOutput, DeduplicateIds, OverwriteCells, OverwriteKernelspec

os.environ["PYTHONWARNINGS"] = "ignore"  # nbgrader takes the point away where a right answer makes torch warn


class SkipCopies(DeduplicateIds):
    """Of a cell that a student has copied, the last one counts. nbgrader itself stops here, for all who come after as well."""

    def preprocess_cell(self, cell, resources, cell_index):
        cell, resources = super().preprocess_cell(cell, resources, cell_index)
        if cell.metadata.get("nbgrader") == {}:
            del cell.metadata["nbgrader"]
            student = resources.get("nbgrader", {}).get("student", "a student")
            self.log.warning("%s has copied a cell: the copy is skipped, have a look at this notebook", student)
        return cell, resources


c = get_config()  # noqa: F821, nbgrader defines it
c.CourseDirectory.course_id = "adversarial-examples"
c.ClearSolutions.enabled = False  # the notebooks have stubs already, with signatures that nbgrader's own would lose
c.Autograde.sanitize_preprocessors = [ClearOutput, SkipCopies, OverwriteKernelspec, OverwriteCells, CheckCellMetadata]
c.Execute.timeout = 300  # seconds for a cell
c.FileNameCollectorPlugin.named_regexp = (
    r".*[/\\](?P<student_id>[^/\\_]+)_(?P<file_id>[^/\\]+)$"  # anna_1_adversarial_examples.ipynb
)
