"""A data set that notes which of its images are asked for."""

from torch.utils.data import Dataset

from mobilekit.data.task import Labelled, Sample


class Noted(Dataset[Sample]):
    """What a labelled data set holds, and the numbers of the images that were asked for."""

    def __init__(self, data: Labelled) -> None:
        self.data, self.seen = data, list[int]()

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Sample:
        self.seen.append(index)
        return self.data[index]
