"""Every file of a folder is accounted for."""

import os

import pytest

from projects.threedgp.data.listing import evenly_spaced, list_files, shared_stems


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_each_file_is_of_one_kind_and_the_counts_add_up(tmp_path):
    touch(tmp_path, "b.JPG", "a/c.tif", "a/c_depth.png", "a/d_DEPTH.PNG", "x.heic", "y.heic", "noext")
    touch(tmp_path, ".hidden.png", ".git/deep/x.png", "a/._c.tif")
    os.symlink("nowhere", tmp_path / "broken.png")
    os.mkfifo(tmp_path / "pipe.png")
    files = list_files(tmp_path)
    assert files.images == ("a/c.tif", "b.JPG")
    assert files.depth_maps == ("a/c_depth.png", "a/d_DEPTH.PNG")
    assert files.others == ("noext", "x.heic", "y.heic")
    assert files.hidden == (".git/deep/x.png", ".hidden.png", "a/._c.tif")
    assert files.dead_ends == ("broken.png", "pipe.png")
    assert files.total == sum(files.counts.values()) == 12
    assert files.summary() == (
        "12 files: 2 images, 2 depth maps, 3 of other types (2 .heic, 1 none), 3 hidden, "
        "2 out of reach (dead links, closed folders), e.g. broken.png"
    )


def test_an_image_in_a_hidden_folder_is_hidden(tmp_path):
    touch(tmp_path, ".thumbs/x.png", "x.png")
    assert list_files(tmp_path).images == ("x.png",)


def test_loops_of_links_end_and_other_links_are_followed(tmp_path):
    root = tmp_path / "root"
    touch(root, "a/x.png")
    touch(tmp_path, "outside/y.png")
    os.symlink("..", root / "a/loop")
    os.symlink("self", root / "self")
    os.symlink(tmp_path / "outside", root / "link")
    os.symlink(root / "a/x.png", root / "x.png")
    files = list_files(root)
    assert files.images == ("a/x.png", "link/y.png", "x.png")
    assert files.dead_ends == ("a/loop", "self")


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    touch(tmp_path, "closed/x.png", "y.png")
    scan = os.scandir

    def guarded(folder):
        if str(folder).endswith("closed"):
            raise PermissionError(folder)
        return scan(folder)

    monkeypatch.setattr(os, "scandir", guarded)
    files = list_files(tmp_path)
    assert files.images == ("y.png",) and files.dead_ends == ("closed",)


def test_stems_that_several_images_have():
    assert shared_stems(["a/x.jpg", "a/x.png", "b/x.jpg", "a/X.png"]) == {"a/x"}


@pytest.mark.parametrize(("count", "wanted"), [(None, "abcdef"), (9, "abcdef"), (3, "ace"), (4, "abde")])
def test_evenly_spaced_picks(count, wanted):
    assert evenly_spaced("abcdef", count) == list(wanted)
