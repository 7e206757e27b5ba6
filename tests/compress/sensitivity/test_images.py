"""Which of a data set's images a sensitivity is measured on."""

from dataclasses import replace

from mobilekit.compress.sensitivity.labelled import labelled
from mobilekit.data.digits import digits
from tests.noted import Noted


def test_images_are_taken_from_all_over_the_data_set() -> None:
    data = digits("test", 40)
    noted = Noted(data)
    measure = labelled(replace(data, images=noted), count=4)
    assert noted.seen == [0, 10, 20, 30]
    assert measure.provenance.startswith("4 of 40 images: ")
