import torch

from cmda_core.training.image_pool import ImagePool


def _image(value: int) -> torch.Tensor:
    return torch.full((1, 1, 1, 1), float(value))


def test_hands_out_what_it_was_given_until_full() -> None:
    pool = ImagePool(3)
    assert [pool.exchange(_image(value)).item() for value in range(3)] == [0, 1, 2]


def test_returns_each_image_at_most_once_and_about_half_old_ones() -> None:
    torch.manual_seed(0)
    pool = ImagePool(10)
    out = [int(pool.exchange(_image(value)).item()) for value in range(400)]
    late = out[10:]
    assert 0.4 < sum(value != number for number, value in enumerate(late, start=10)) / len(late) < 0.6
    assert len(set(late)) == len(late)


def test_without_a_size_passes_detached_images_through() -> None:
    images = torch.ones(2, 1, 1, 1, requires_grad=True)
    assert not ImagePool(0).exchange(images).requires_grad


def test_state_brings_the_same_images_back() -> None:
    pool, other = ImagePool(2), ImagePool(2)
    for value in range(2):
        pool.exchange(_image(value))
    other.load_state_dict(pool.state_dict())
    for part in (pool, other):
        torch.manual_seed(1)
        part.drawn = [part.exchange(_image(value)).item() for value in range(5, 15)]  # type: ignore[attr-defined]
    assert pool.drawn == other.drawn  # type: ignore[attr-defined]
