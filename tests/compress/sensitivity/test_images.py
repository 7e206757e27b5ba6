"""Which of a data set's images a sensitivity is measured on."""

from dataclasses import replace

from torch.utils.data import Dataset

from mobilekit.compress.sensitivity.labelled import labelled
from mobilekit.data.digits import digits
from mobilekit.data.task import Sample


def test_images_are_taken_from_all_over_the_data_set() -> None:
    data, seen = digits("test", 40), []

    class Noted(Dataset[Sample]):
        def __len__(self) -> int:
            return len(data)

        def __getitem__(self, index: int) -> Sample:
            seen.append(index)
            return data[index]

    measure = labelled(replace(data, images=Noted()), count=4)
    assert seen == [0, 10, 20, 30]
    assert measure.provenance.startswith("4 of 40 images: ")
