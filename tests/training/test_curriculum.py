"""The curriculum: its schedule and its choice of pairs."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mickey_hloc.errors import InputError
from mickey_hloc.training.curriculum import Curriculum, CurriculumOptions, select_best


def test_published_schedule() -> None:
    curriculum = Curriculum()
    assert [round(curriculum.share(e), 3) for e in (0, 1, 5, 9, 10, 11, 100)] == [0.3, 0.35, 0.55, 0.75, 0.8, 0.8, 0.8]
    assert Curriculum(CurriculumOptions(by="none")).share(0) == 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.01, 1), st.data())
def test_selects_the_best_share(values: list[float], share: float, data: st.DataObject) -> None:
    losses = torch.tensor(values, dtype=torch.float64)
    valid = torch.tensor(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))))
    selected = select_best(torch.where(valid, losses, torch.inf), share)
    assert not (selected & ~valid).any()
    wanted = max(int(share * len(values) + 1e-6), 1)
    assert selected.sum() == min(wanted, int(valid.sum()))
    if selected.any() and (valid & ~selected).any():
        assert losses[selected].max() <= losses[valid & ~selected].min()


@pytest.mark.parametrize(("share", "count"), [(0.3, 3), (0.7, 7), (0.05, 1), (1.0, 10), (0.29, 2)])
def test_share_is_rounded_down_but_never_to_nothing(share: float, count: int) -> None:
    assert select_best(torch.rand(10), share).sum() == count


def test_weights_sum_to_one() -> None:
    losses, valid = torch.tensor([0.1, 0.9, 0.4, 0.2]), torch.tensor([True, True, True, False])
    weights = Curriculum(CurriculumOptions(start_share=0.5)).pair_weights(0)(losses, valid)
    assert weights.tolist() == [0.5, 0.0, 0.5, 0.0]
    nothing = Curriculum().pair_weights(0)(losses, torch.zeros(4, dtype=torch.bool))
    assert nothing.tolist() == [0.0] * 4


def test_overlap_selects_by_overlap() -> None:
    options = CurriculumOptions(by="overlap", start_share=0.5)
    rule = Curriculum(options).pair_weights(0, overlap=torch.tensor([0.2, 0.9, 0.5, 0.6]))
    assert rule(torch.tensor([0.1, 0.9, 0.4, 0.2]), torch.ones(4, dtype=torch.bool)).tolist() == [0, 0.5, 0, 0.5]
    with pytest.raises(InputError, match="overlap"):
        Curriculum(options).pair_weights(0)


def test_processes_choose_together() -> None:
    losses = torch.tensor([0.5, 0.6, 0.1, 0.2])
    alone = Curriculum(CurriculumOptions(start_share=0.5)).pair_weights(0)(losses, torch.ones(4, dtype=torch.bool))
    parts = []
    for rank in range(2):
        curriculum = Curriculum(CurriculumOptions(start_share=0.5), lambda _: losses, rank, 2)
        mine = losses[2 * rank : 2 * rank + 2]
        parts.append(curriculum.pair_weights(0)(mine, torch.ones(2, dtype=torch.bool)))
    assert torch.allclose(torch.cat(parts) / 2, alone)  # processes average their gradients


@pytest.mark.parametrize("options", [{"by": "luck"}, {"start_share": 0.9}, {"end_share": 1.1}, {"step_per_epoch": -1}])
def test_wrong_options(options: dict[str, object]) -> None:
    with pytest.raises(InputError, match="curriculum"):
        CurriculumOptions(**options)
