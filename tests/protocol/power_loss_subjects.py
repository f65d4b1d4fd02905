"""Every subject, by name."""

from tests.protocol import power_loss_edges, power_loss_journal, power_loss_queue, power_loss_records

SUBJECTS = {
    subject.name: subject
    for module in (power_loss_journal, power_loss_queue, power_loss_edges, power_loss_records)
    for subject in module.SUBJECTS
}
