import torch
from torch.nn.functional import conv2d

from palimpsest.layers.dilated_branches import DilatedBranches


def test_each_branch_is_a_dilated_convolution_and_relu():
    torch.manual_seed(0)
    branches, x = DilatedBranches(4, 3), torch.randn(2, 4, 20, 24)
    for branch, found, dilation in zip(branches, branches(x), (1, 2, 4, 8), strict=True):
        conv = branch[0]
        wanted = conv2d(x, conv.weight, conv.bias, padding=dilation, dilation=dilation).relu()
        torch.testing.assert_close(found, wanted)
        assert found.shape == (2, 3, 20, 24)
